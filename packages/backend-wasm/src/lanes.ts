import type { FunctionBuilder, I32, Local, Operand, V128 } from './encoder/index.ts';
import type { Lanes, Stage } from './kernel.ts';

/** Bytes of a vector. */
export const VECTOR_BYTES = 16;

/** Writes exactly the first `lanes` lanes. */
export function storeLanes(f: FunctionBuilder, address: Operand<'i32'>, value: V128, lanes: Lanes, offset = 0): void {
  if (lanes === 4) return f.v128.store(address, value, offset, 4);
  if (lanes === 2) return f.v128.store64Lane(address, value, 0, offset, 4);
  if (lanes === 1) return f.v128.store32Lane(address, value, 0, offset, 4);
  const [to, held] = [typeof address === 'number' || address.leaf ? address : f.let(address), f.let(value)];
  f.v128.store64Lane(to, held, 0, offset, 4);
  f.v128.store32Lane(to, held, 2, offset + 8, 4);
}

/**
 * Walks `count` neighbouring elements, `vectors` vectors of four at a time: `body` writes the code for so many whole vectors once (inside a
 * loop, where they come several times) and once more for each of the vectors that are left, the last of them perhaps cut short. It is given
 * the byte offset of the first element and how many elements count.
 */
export function forVectors(
  f: FunctionBuilder,
  count: number,
  vectors: number,
  body: (offset: Local<'i32'> | number, lanes: number) => void,
): void {
  const step = vectors * VECTOR_BYTES;
  const whole = Math.floor((count * 4) / step) * step;
  if (whole === step) body(0, vectors * 4);
  else if (whole > 0) {
    const offset = f.local.i32();
    f.for(offset, 0, whole, step, () => body(offset, vectors * 4));
  }
  for (let first = whole / 4; first < count; first += 4) body(first * 4, Math.min(4, count - first));
}

/** {@link forVectors} of one vector. */
export function forLanes(f: FunctionBuilder, count: number, body: (offset: Local<'i32'> | number, lanes: Lanes) => void): void {
  forVectors(f, count, 1, (offset, lanes) => body(offset, lanes as Lanes));
}

/** A mask with all bits set in the first `lanes` lanes. */
export function laneMask(f: FunctionBuilder, lanes: Lanes): V128 {
  const bits = (lane: number): number => (lane < lanes ? -1 : 0);
  return f.i32x4.const(bits(0), bits(1), bits(2), bits(3));
}

/** Tiles that give each about `grain` units of work. A function of shapes, never of threads: so are the results. */
export function tilesFor(units: number, perUnit: number, grain: number): { readonly tiles: number; readonly perTile: number } {
  const perTile = Math.max(1, Math.floor(grain / Math.max(1, perUnit)));
  return { tiles: Math.ceil(units / perTile), perTile };
}

/** The smaller of a value and a constant, both unsigned. */
export function atMost(f: FunctionBuilder, value: Operand<'i32'>, most: number): I32 {
  const held = f.local.i32(value);
  return f.select(held, f.i32.const(most), f.i32.ltU(held, most));
}

/** Writes the code of a piece of `size`, and where `total` leaves a smaller last one, that one's as well. */
export function forPiece(
  f: FunctionBuilder,
  { total, size, isLast }: { readonly total: number; readonly size: number; readonly isLast: () => Operand<'i32'> },
  emit: (size: number) => void,
): void {
  const rest = total % size;
  if (rest === 0) emit(size);
  else if (total < size) emit(rest);
  else
    f.if(
      isLast(),
      () => emit(rest),
      () => emit(size),
    );
}

/** Walks a tile's share of `units` things: `perTile` of them one after the other, fewer in the last tile. */
export function forUnits({ f, tile }: Pick<Stage, 'f' | 'tile'>, units: number, perTile: number, body: (unit: Local<'i32'>) => void): void {
  const unit = f.local.i32();
  const first = f.let(f.i32.mul(tile, perTile));
  const last = f.i32.add(first, perTile);
  f.for(unit, first, units % perTile === 0 ? last : atMost(f, last, units), 1, () => body(unit));
}

/** Work of one elementwise tile, in elements: some ten microseconds. */
export const ELEMENTWISE_GRAIN = 8192;

/** Four vectors as the rows of a square, by its columns. */
export function transposeSquare(f: FunctionBuilder, [a, b, c, d]: readonly Local<'v128'>[]): readonly V128[] {
  const { shuffle } = f.i32x4;
  const half = (pick: readonly number[]): readonly [Local<'v128'>, Local<'v128'>] => [
    f.let(shuffle(a!, b!, pick)),
    f.let(shuffle(c!, d!, pick)),
  ];
  const [low, high] = [half([0, 4, 1, 5]), half([2, 6, 3, 7])];
  return [low, high].flatMap((pair) => [shuffle(...pair, [0, 1, 4, 5]), shuffle(...pair, [2, 3, 6, 7])]);
}

/** Neighbouring vectors, treated alike: two of them where the engine joins pairs. */
export type Pack = readonly Local<'v128'>[];

export const loadPack = (f: FunctionBuilder, address: Local<'i32'>, offset: number, vectors: number): Pack =>
  Array.from({ length: vectors }, (_, v) => f.let(f.v128.load(address, offset + v * VECTOR_BYTES, 4)));

/**
 * Writes neighbouring vectors, of which `lanes` lanes count, the last first: V8 joins two stores only where that of the higher address comes
 * first. The other way it leaves all that leads to them as it is, or writes the lower half twice.
 */
export function storePack(f: FunctionBuilder, address: Operand<'i32'>, values: readonly V128[], lanes: number, offset = 0): void {
  for (let v = values.length - 1; v >= 0; v--)
    storeLanes(f, address, values[v]!, Math.min(4, lanes - v * 4) as Lanes, offset + v * VECTOR_BYTES);
}
