import { compile, ModuleBuilder } from './encoder/index.ts';
import { storePack } from './lanes.ts';
import { startSums, sumProducts } from './register-tiles.ts';

/** Depth of the sums: the operands stay in the first-level cache. */
export const DEPTH = 256;
const operands = { a: 0, b: 32_768, sums: 61_440 } as const;

export interface MicroKernel {
  /** Accumulators: rows by columns, the columns a multiple of four. */
  readonly rows: number;
  readonly columns: number;
  readonly fma: boolean;
  /** In wide mode the bytes differ: V8 keeps the code of equal bytes, however its flags have changed since. */
  readonly wide: boolean;
}

export interface BuiltMicroKernel {
  /** Sums `times` products of `rows` x {@link DEPTH} and {@link DEPTH} x `columns` numbers. */
  readonly run: (times: number) => void;
  readonly multiplyAdds: number;
  /** The operands, row by row, and what came of them. */
  readonly left: Float32Array;
  readonly right: Float32Array;
  readonly sums: Float32Array;
}

/** The inner loop of convolutions and matrix products by itself, to be timed and checked. */
export function microKernel({ rows, columns, fma, wide }: MicroKernel): BuiltMicroKernel {
  const m = new ModuleBuilder({ fma, shared: false });
  markMode(m, wide);
  m.function({ name: 'run', parameters: { times: 'i32' }, export: true }, (f, { times }) => {
    const i = f.local.i32();
    f.for(i, 0, times, 1, () => {
      const sums = startSums(f, rows, columns / 4);
      const left = { at: f.local.i32(operands.a), step: 4, rowBytes: DEPTH * 4 };
      sumProducts(f, sums, left, { at: f.local.i32(operands.b), step: columns * 4 }, operands.b + DEPTH * columns * 4);
      sums.forEach((ofRow, row) => storePack(f, operands.sums, ofRow, columns, row * columns * 4));
    });
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
  // Pages that nobody has written are one page of zeros, whose lines under several addresses drive each other out of the first-level cache.
  new Float32Array(memory.buffer).fill(1);
  const run = new WebAssembly.Instance(compile(m.build()), { env: { memory } }).exports['run'] as (times: number) => void;
  return {
    run,
    multiplyAdds: rows * columns * DEPTH,
    left: new Float32Array(memory.buffer, operands.a, rows * DEPTH),
    right: new Float32Array(memory.buffer, operands.b, DEPTH * columns),
    sums: new Float32Array(memory.buffer, operands.sums, rows * columns),
  };
}

/** Puts the mode into a module's bytes. */
export function markMode(module: ModuleBuilder, wide: boolean): void {
  if (wide) module.custom('shoal.wide', new Uint8Array());
}
