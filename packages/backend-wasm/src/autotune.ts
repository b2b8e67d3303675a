import { microKernel } from './micro-kernel.ts';

/** One way of doing something, of several that give the same bits. */
export interface Variant<T> {
  readonly value: T;
  /** Does a fixed amount of work, the same in every variant: some tenths of a millisecond. */
  readonly run: () => void;
}

/** Engines compile hot code after some calls, on other threads: nothing before that counts. */
const warmUpMs = 2;
const rounds = 7;
/** Variants stand in the order of preference: a later one must be faster by more than what noise makes. */
const closeEnough = 1.1;

const chosen = new Map<string, unknown>();

/**
 * The first variant that runs about as fast as the fastest on this engine. Timed once per process or page, in some milliseconds; the answer is kept under
 * `key`. Only what leaves every bit as it is may be chosen so: everything else is a function of shapes and options.
 */
export function fastest<T>(key: string, variants: () => readonly Variant<T>[]): T {
  if (!chosen.has(key)) chosen.set(key, race(variants()));
  return chosen.get(key) as T;
}

function race<T>(variants: readonly Variant<T>[]): T {
  const best = bestTimes(variants.map(({ run }) => run));
  const limit = closeEnough * Math.min(...best);
  return variants[best.findIndex((time) => time <= limit)]!.value;
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
export function tileRows(fma: boolean, wide: boolean): number {
  const columns = wide ? 16 : 8;
  return fastest(`tile rows, fma ${fma}, wide ${wide}`, () =>
    (fma ? [6, 5, 4] : [5, 4, 6]).map((rows) => {
      const { run, multiplyAdds } = microKernel({ rows, columns, fma, wide });
      return { value: rows, run: () => run(Math.ceil(timedWork / multiplyAdds)) };
    }),
  );
}
