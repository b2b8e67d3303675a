import type { FunctionBuilder, Local, Operand } from './encoder/index.ts';

/** Register tiles of equal size, one after the other from `start` on. */
export interface Pieces {
  readonly rows: number;
  readonly count: number;
  readonly start: number;
}

/** Relative time of a tile by its rows: small ones wait for the latency of their chains and repeat the loads of the other operand. */
const cost = [0, 3.8, 3.9, 4, 4.1, 5.1, 6];

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

/** Accumulators of `rows` by `vectors` that begin with `start`, or with zero. */
export function startSums(
  f: FunctionBuilder,
  rows: number,
  vectors: number,
  start: (row: number, vector: number) => Operand<'v128'> = () => 0,
): Sums {
  return Array.from({ length: rows }, (_, row) => Array.from({ length: vectors }, (__, vector) => f.local.v128(start(row, vector))));
}

/** A pointer that moves by `step` bytes from one term of a sum to the next. */
export interface Terms {
  readonly at: Local<'i32'>;
  readonly step: number;
}

/**
 * The inner loop of all products: a number of each row on the left, `rowBytes` apart, by the neighbouring columns on the right, term by
 * term until the right pointer gets to `end`.
 *
 * The first term stands before the loop. V8 keeps no offset in the instruction that loads one number into all lanes: it adds it to the start
 * of the memory first, one address per row. After the first term they are known, and the loop finds them in registers; without it, each
 * iteration computes them, and saves those that another loop of the function uses as well. Small loops V8 peels by itself.
 */
export function sumProducts(
  f: FunctionBuilder,
  sums: Sums,
  left: Terms & { readonly rowBytes: number },
  right: Terms,
  end: Local<'i32'> | number,
): void {
  const { i32, v128, f32x4 } = f;
  const term = (): void =>
    f.temporaries(() => {
      const columns = sums[0]!.map((_, v) => f.let(v128.load(right.at, v * 16, 4)));
      sums.forEach((ofRow, row) => {
        const x = f.let(v128.load32Splat(left.at, row * left.rowBytes));
        ofRow.forEach((sum, v) => f.set(sum, f32x4.madd(x, columns[v]!, sum)));
      });
      f.set(left.at, i32.add(left.at, left.step));
    });
  term();
  f.if(i32.ltU(f.tee(right.at, i32.add(right.at, right.step)), end), () =>
    f.loop((next) => {
      term();
      f.brIf(next, i32.ltU(f.tee(right.at, i32.add(right.at, right.step)), end));
    }),
  );
}
