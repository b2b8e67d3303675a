import type { FunctionBuilder, Local } from './encoder/index.ts';

/** Register tiles of equal size, one after the other from `start` on. */
export interface Pieces {
  readonly rows: number;
  readonly count: number;
  readonly start: number;
}

/** Relative time of a tile by its rows: small ones wait for the latency of their chains and repeat the loads of the other operand. */
const cost = [0, 2.6, 3.1, 3.6, 4.3, 5.1, 6];

/** Cuts `length` rows into as few kinds of tiles as is fast: most of `largest`, and the rest in at most two other sizes. 16 is 6 + 6 + 4. */
export function cutRows(length: number, largest: number): readonly Pieces[] {
  const found: { cost: number; pieces: readonly Pieces[] }[] = [];
  const most = Math.floor(length / largest);
  for (let count = most; count >= Math.max(0, most - largest); count--) {
    const rest = length - count * largest;
    for (let rows = 1; rows < largest; rows++) {
      const [more, left] = [Math.floor(rest / rows), rest % rows];
      const parts = [
        { rows: largest, count },
        { rows, count: more },
        { rows: left, count: left > 0 ? 1 : 0 },
      ];
      let start = 0;
      const pieces = parts
        .filter((part) => part.count > 0)
        .map((part) => {
          const piece = { ...part, start };
          start += part.rows * part.count;
          return piece;
        });
      found.push({ cost: parts.reduce((sum, part) => sum + part.count * cost[part.rows]!, 0), pieces });
    }
  }
  return found.reduce((best, other) => (other.cost < best.cost - 1e-9 ? other : best)).pieces;
}

/** The accumulators of a register tile: vectors of neighbouring columns, row by row. */
export type Sums = readonly (readonly Local<'v128'>[])[];

/** One term of every sum: a number of each row on the left, `rowBytes` apart, by the neighbouring columns on the right. */
export function addProducts(f: FunctionBuilder, sums: Sums, left: Local<'i32'>, rowBytes: number, right: Local<'i32'>): void {
  f.temporaries(() => {
    const columns = sums[0]!.map((_, v) => f.let(f.v128.load(right, v * 16, 4)));
    sums.forEach((ofRow, row) => {
      const x = f.let(f.v128.load32Splat(left, row * rowBytes));
      ofRow.forEach((sum, v) => f.set(sum, f.f32x4.madd(x, columns[v]!, sum)));
    });
  });
}
