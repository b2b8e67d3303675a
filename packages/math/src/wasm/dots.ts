import { forUnits, laneMask, tilesFor, type Lanes, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, V128 } from '@shoal/backend-wasm/encoder';
import { sizeOf, type Shape } from '@shoal/core';
import { matrixOffset } from './batches.ts';

export interface DotPlan {
  readonly batch: Shape;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Leading axes of the operands. */
  readonly a: Shape;
  readonly b: Shape;
}

/** Numbers of a row that four float32 sums add up before they join the total. */
const chain = 4096;
/** Multiply-adds that one tile does. */
const grain = 65536;

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** One or two rows times the rows of b, which lie ready as they are: vectors run along k, and their lanes are added up at the end. */
export function emitDots(site: WasmSite, { batch, m, k, n, a, b }: DotPlan): void {
  const groups = Math.ceil(n / 4);
  const units = sizeOf(batch) * groups;
  const { tiles, perTile } = tilesFor(units, m * k * 4, grain);
  site.stage({ tiles }, (stage) => {
    const { f, input } = stage;
    const { i32, f32x4, v128 } = f;
    forUnits(stage, units, perTile, (unit) => {
      const matrix = f.let(i32.divU(unit, groups));
      const group = f.let(i32.remU(unit, groups));
      const aRows = f.let(i32.add(input(0), matrixOffset(f, matrix, batch, a, m * k * 4)));
      const bRows = f.let(i32.add(i32.add(input(1), matrixOffset(f, matrix, batch, b, n * k * 4)), i32.mul(group, k * 16)));
      const channel = f.let(i32.shl(group, 4));
      const emit = (columns: Lanes): void => {
        const totals = range(m).map(() => f.local.v128(0));
        const sums = totals.map(() => range(4).map((column) => (column < columns ? f.local.v128(0) : null)));
        const at = f.local.i32();
        const take = (masked: (x: V128) => V128): void => {
          const x = range(m).map((row) => f.let(masked(v128.load(i32.add(aRows, at), row * k * 4, 4))));
          for (const column of range(columns)) {
            const y = f.let(masked(v128.load(i32.add(bRows, at), column * k * 4, 4)));
            for (const row of range(m)) f.set(sums[row]![column]!, f32x4.madd(x[row]!, y, sums[row]![column]!));
          }
        };
        const join = (): void =>
          totals.forEach((total, row) => {
            f.set(total, f32x4.add(total, addLanes(f, sums[row]!)));
            for (const sum of sums[row]!) if (sum) f.set(sum, 0);
          });
        const rest = k % 4;
        const whole = (k - rest) * 4;
        if (k <= chain) f.for(at, 0, whole, 16, () => take((x) => x));
        else {
          const [block, end] = [f.local.i32(), f.local.i32()];
          f.for(block, 0, whole, chain * 4, () => {
            f.set(end, i32.add(block, chain * 4));
            f.set(end, f.select(end, i32.const(whole), i32.ltU(end, whole)));
            f.for(at, block, end, 16, () => take((x) => x));
            join();
          });
        }
        if (rest > 0) {
          f.set(at, whole);
          // What lies beyond the rows may be anything, NaN among it.
          take((x) => v128.and(x, laneMask(f, rest as Lanes)));
        }
        join();
        totals.forEach((total, row) => {
          const y = f.let(i32.add(i32.mul(i32.add(i32.mul(matrix, m), row), n * 4), channel));
          stage.store(total, { at: y, channel }, columns);
        });
      };
      const last = (n % 4 || 4) as Lanes;
      if (last === 4) emit(4);
      else if (groups === 1) emit(last);
      else
        f.if(
          i32.eq(group, groups - 1),
          () => emit(last),
          () => emit(4),
        );
    });
  });
}

/** Lane i is the sum of the lanes of vector i; missing vectors give 0. */
function addLanes(f: FunctionBuilder, vectors: readonly (Local<'v128'> | null)[]): V128 {
  const { add, shuffle } = f.f32x4;
  const [a, b, c, d] = vectors.map((vector) => vector ?? f.local.v128(0));
  const pair = (x: V128, y: V128): Local<'v128'> => f.let(add(shuffle(x, y, [0, 4, 1, 5]), shuffle(x, y, [2, 6, 3, 7])));
  const [low, high] = [pair(a!, b!), pair(c!, d!)];
  return add(shuffle(low, high, [0, 1, 4, 5]), shuffle(low, high, [2, 3, 6, 7]));
}
