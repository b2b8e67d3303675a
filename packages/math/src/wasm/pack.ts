import { atMost, transposeSquare, wasmKernel } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local } from '@shoal/backend-wasm/encoder';
import { sizeOf, type Op, type Shape } from '@shoal/core';

export interface PackAttributes {
  /** Read the operand as [..., n, k] instead of [..., k, n]. */
  readonly transposed: boolean;
  /** Columns side by side in one panel: a few vectors. */
  readonly panel: number;
}

/** The right operand of a product in panels: [..., k, n] to [..., panels, k, panel]. Columns beyond the last hold anything. */
export const packOp: Op<PackAttributes> = {
  name: 'math/wasm-pack',
  infer([b], { transposed, panel }) {
    const [k, n] = sizesOf(b!.shape, transposed);
    return [{ shape: [...b!.shape.slice(0, -2), Math.ceil(n / panel), k, panel], dtype: 'f32' }];
  },
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: () => ({}),
};

function sizesOf(shape: Shape, transposed: boolean): readonly [k: number, n: number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

/** One tile packs one panel. */
export const packWasm = wasmKernel(packOp, ({ inputs: [b], attributes: { transposed, panel }, stage: addStage }) => {
  const [k, n] = sizesOf(b!.shape, transposed);
  const panels = Math.ceil(n / panel);
  const matrices = sizeOf(b!.shape.slice(0, -2));
  addStage({ tiles: k === 0 ? 0 : matrices * panels }, (stage) => {
    const { f, tile } = stage;
    const { i32 } = f;
    const matrix = f.let(i32.add(stage.input(0), i32.mul(i32.divU(tile, panels), k * n * 4)));
    const first = f.let(i32.mul(i32.remU(tile, panels), panel));
    const target = f.let(i32.add(stage.output(0), i32.mul(tile, k * panel * 4)));
    if (transposed) emitTransposed(f, { matrix, first, target, panel }, k, n);
    else emitRows(f, { matrix, first, target, panel }, k, n);
  });
});

interface Place {
  readonly matrix: Local<'i32'>;
  readonly first: Local<'i32'>;
  readonly target: Local<'i32'>;
  readonly panel: number;
}

/** Neighbouring columns are neighbours already. */
function emitRows(f: FunctionBuilder, { matrix, first, target, panel }: Place, k: number, n: number): void {
  const { i32, v128 } = f;
  const source = f.let(i32.add(matrix, i32.shl(first, 2)));
  const [to, end] = [f.let(target), f.let(i32.add(target, k * panel * 4))];
  f.loop((next) => {
    for (let lane = 0; lane < panel; lane += 4) v128.store(to, v128.load(source, lane * 4, 4), lane * 4);
    f.set(source, i32.add(source, n * 4));
    f.brIf(next, i32.ltU(f.tee(to, i32.add(to, panel * 4)), end));
  });
}

/** Four rows of four numbers become columns; columns beyond the last repeat it. */
function emitTransposed(f: FunctionBuilder, { matrix, first, target, panel }: Place, k: number, n: number): void {
  const { i32, v128 } = f;
  const block = (lane: number, rows: number, from: readonly Local<'i32'>[], at: Local<'i32'>, to: Local<'i32'>): void => {
    const read = [0, 1, 2, 3].map((i) => f.let(v128.load(i32.add(from[lane + i]!, at), 0, 4)));
    transposeSquare(f, read)
      .slice(0, rows)
      .forEach((column, row) => v128.store(to, column, (row * panel + lane) * 4));
  };
  const from = Array.from({ length: panel }, (_, lane) => {
    return f.let(i32.add(matrix, i32.mul(atMost(f, i32.add(first, lane), n - 1), k * 4)));
  });
  const [at, to] = [f.local.i32(), f.let(target)];
  const both = (rows: number): void => {
    for (let lane = 0; lane < panel; lane += 4) block(lane, rows, from, at, to);
    f.set(to, i32.add(to, rows * panel * 4));
  };
  const whole = k - (k % 4);
  f.for(at, 0, whole * 4, 16, () => both(4));
  if (k > whole) {
    f.set(at, whole * 4);
    both(k - whole);
  }
}
