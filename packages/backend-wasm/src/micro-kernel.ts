import { compile, ModuleBuilder } from './encoder/index.ts';
import { addProducts } from './register-tiles.ts';

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
  const each = Array.from({ length: rows }, (_, i) => i);
  const vectors = Array.from({ length: columns / 4 }, (_, i) => i);
  m.function({ name: 'run', parameters: { times: 'i32' }, export: true }, (f, { times }) => {
    const { i32, v128 } = f;
    const i = f.local.i32();
    f.for(i, 0, times, 1, () => {
      const sums = each.map(() => vectors.map(() => f.local.v128(0)));
      const [a, b] = [f.local.i32(operands.a), f.local.i32(operands.b)];
      f.loop((next) => {
        addProducts(f, sums, a, DEPTH * 4, b);
        f.set(b, i32.add(b, columns * 4));
        f.brIf(next, i32.ltU(f.tee(a, i32.add(a, 4)), DEPTH * 4));
      });
      each.forEach((row) => vectors.forEach((v) => v128.store(operands.sums, sums[row]![v]!, (row * columns + v * 4) * 4)));
    });
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
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
