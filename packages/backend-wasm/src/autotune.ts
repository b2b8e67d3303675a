import { compile, ModuleBuilder } from './encoder/index.ts';

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
  for (const { run } of variants) for (const until = performance.now() + warmUpMs; performance.now() < until;) run();
  const best = variants.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    // Interleaved, so that a slow spell of the machine falls on all of them.
    variants.forEach(({ run }, i) => {
      const start = performance.now();
      run();
      best[i] = Math.min(best[i]!, performance.now() - start);
    });
  }
  const limit = closeEnough * Math.min(...best);
  return variants[best.findIndex((time) => time <= limit)]!.value;
}

/** Depth of the sums in the micro-kernel that is timed: its operands stay in the first-level cache. */
const depth = 256;
/** Multiply-adds of four lanes that one run does. */
const work = 1_000_000;

/**
 * How many rows a tile of `rows` x 8 accumulators should have: six fill the 15 registers of x64 with fused multiply-add, but
 * engines schedule loads differently and spill at different sizes (a spill halves the speed).
 */
export function tileRows(fma: boolean): number {
  return fastest(`tile rows, fma ${fma}`, () =>
    (fma ? [6, 5, 4] : [5, 4, 6]).map((rows) => ({ value: rows, run: microKernel(rows, fma) })),
  );
}

function microKernel(rows: number, fma: boolean): () => void {
  const m = new ModuleBuilder({ fma, shared: false });
  const each = Array.from({ length: rows }, (_, i) => i);
  m.function({ name: 'run', parameters: { times: 'i32' }, export: true }, (f, { times }) => {
    const { i32, f32x4, v128 } = f;
    const i = f.local.i32();
    f.for(i, 0, times, 1, () => {
      const sums = each.map(() => [f.local.v128(0), f.local.v128(0)] as const);
      const [a, b] = [f.local.i32(0), f.local.i32(32768)];
      f.loop((next) => {
        const w = [f.let(v128.load(b)), f.let(v128.load(b, 16))] as const;
        for (const row of each) {
          const x = f.let(v128.load32Splat(a, row * depth * 4));
          sums[row]!.forEach((sum, v) => f.set(sum, f32x4.madd(x, w[v]!, sum)));
        }
        f.set(b, i32.add(b, 32));
        f.brIf(next, i32.ltU(f.tee(a, i32.add(a, 4)), depth * 4));
      });
      each.forEach((row) => sums[row]!.forEach((sum, v) => v128.store(49152, sum, row * 32 + v * 16)));
    });
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const run = new WebAssembly.Instance(compile(m.build()), { env: { memory } }).exports['run'] as (times: number) => void;
  return () => run(Math.ceil(work / (rows * 2 * depth)));
}
