import { keptChoices } from '#choices';
import type { Choices } from '@shoal/cache/choices';
import { microKernel } from './micro-kernel.ts';

/** One way of doing something, of several that give the same bits. */
export interface Variant {
  readonly name: string;
  /** Makes what does a fixed amount of work, the same in every variant: some tenths of a millisecond. */
  readonly prepare: () => () => void;
}

/** Engines compile hot code after some calls, on other threads: nothing before that counts. */
const warmUpMs = 2;
const rounds = 7;
/** Variants stand in the order of preference: a later one must be faster by more than what noise makes. */
const closeEnough = 1.1;

const chosen = new Map<string, string>();

/**
 * The first variant that runs about as fast as the fastest on this engine. Timed once, in some milliseconds; the answer is kept under `key`, for
 * the process or page here, and for the next in `choices`. Only what leaves every bit as it is may be chosen so: everything else is a
 * function of shapes and options.
 */
export async function fastest(key: string, variants: readonly Variant[], choices: () => Promise<Choices> = keptChoices): Promise<string> {
  const known = chosen.get(key);
  if (known !== undefined) return known;
  const kept = await choices();
  let name = kept.find(
    key,
    variants.map((variant) => variant.name),
  );
  if (name === undefined) {
    name = race(variants);
    kept.set(key, name);
    // It never rejects, and nobody waits for it.
    void kept.save();
  }
  chosen.set(key, name);
  return name;
}

function race(variants: readonly Variant[]): string {
  const best = bestTimes(variants.map(({ prepare }) => prepare()));
  const limit = closeEnough * Math.min(...best);
  return variants[best.findIndex((time) => time <= limit)]!.name;
}

/** The shortest of several times of each, in milliseconds, after a warm-up. */
export function bestTimes(runs: readonly (() => void)[]): readonly number[] {
  for (const run of runs) for (const until = performance.now() + warmUpMs; performance.now() < until;) run();
  const best = runs.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    // Interleaved, so that a slow spell of the machine falls on all of them.
    runs.forEach((run, i) => {
      const start = performance.now();
      run();
      best[i] = Math.min(best[i]!, performance.now() - start);
    });
  }
  return best;
}

/** Multiply-adds of one lane that one run does. */
export const timedWork = 4_000_000;

/**
 * How many rows a register tile should have: six rows of eight columns, or of sixteen in wide mode, fill the 15 registers of x64 with
 * fused multiply-add, but engines schedule loads differently and spill at different sizes (a spill halves the speed).
 */
export async function tileRows(fma: boolean, wide: boolean): Promise<number> {
  const columns = wide ? 16 : 8;
  const variants = (fma ? [6, 5, 4] : [5, 4, 6]).map((rows): Variant => ({
    name: String(rows),
    prepare: () => {
      const { run, multiplyAdds } = microKernel({ rows, columns, fma, wide });
      return () => run(Math.ceil(timedWork / multiplyAdds));
    },
  }));
  return Number(await fastest(`rows of a tile, fma ${fma}, wide ${wide}`, variants));
}
