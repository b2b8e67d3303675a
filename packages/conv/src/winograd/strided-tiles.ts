import { gradientPair, type Arithmetic, type Read } from './transforms.ts';

/**
 * Minimal filtering with stride 2. Along an axis y(i) = g0 x(2i) + g1 x(2i + 1) + g2 x(2i + 2): the even cells e(i) = x(2i) go through
 * the two taps g0 and g2, which is F(4, 2) with five products for four outputs, and the odd ones o(i) = x(2i + 1) through one, which is a
 * product each. Nine products for four outputs instead of twelve; along both axes 81 for 4x4 outputs instead of 144.
 *
 * The points of F(4, 2) are ±a, ±b and infinity with a = 1/2 and b = 5/4, D = a² - b²; 0, ±1 and 2 round two to three times worse.
 *
 *   filter  u(±a) = (g2 ± g0 / a) / 2D, u(±b) = (g2 ± g0 / b) / -2D, u(infinity) = g2
 *   source  v(±a) = (e3 - b² e1) ± a (e2 - b² e0), v(±b) = (e3 - a² e1) ± b (e2 - a² e0), v(infinity) = e4 - (a² + b²) e2 + a² b² e0
 *   output  y(i) = the sum of pⁱ m(p) over the finite points, and m(infinity) for i = 3, and o(i) g1
 *
 * Backward, to the input, cells of dx that are two apart hear from the same taps: one kind through g2 and g0 from neighbouring cells of
 * dy, which is F(4, 2) again, the other through g1. 5x5 cells of dy become 81 values, and 81 products 8x8 cells of dx. The gradient of the
 * filter is F(2, 4) of the even cells and the sum over the odd ones: x goes through the same transform, dy is evaluated as in F(3, 4).
 *
 * Values of an axis are numbered a, -a, b, -b, infinity, and then the four odd cells. All four multiply the same tap: of 81 products along
 * both axes only 36 have weights of their own. Products of the same weight lie together.
 */
const a = 0.5;
const b = 1.25;
const divisor = 2 * (a * a - b * b);

const evens = [0, 1, 2, 3, 4] as const;
const odds = [0, 1, 2, 3] as const;
const evenCount = evens.length;

/** Side of the tile of x that 4x4 outputs read. */
export const stridedSide = 9;
/** Products of a tile of one channel, and weights that they have. */
export const stridedPoints = (evens.length + odds.length) ** 2;
export const stridedWeights = (evens.length + 1) ** 2;

/** How many weights have so many products each, in the order of {@link stridedPoint}. */
export const stridedClasses = [
  { weights: 25, products: 1 },
  { weights: 10, products: 4 },
  { weights: 1, products: 16 },
] as const;

/** The number of the product of two values of the axes. */
export function stridedPoint(row: number, column: number): number {
  const [down, across] = [row - evenCount, column - evenCount];
  if (down < 0) return across < 0 ? row * evenCount + column : 25 + row * 4 + across;
  return across < 0 ? 45 + column * 4 + down : 65 + down * 4 + across;
}

/** The number of the weight of two values of a filter's axes: the five points, and the tap in the middle for all odd cells. */
export function stridedWeight(row: number, column: number): number {
  if (row < evenCount) return column < evenCount ? row * evenCount + column : 25 + row;
  return column < evenCount ? 30 + column : 35;
}

/** The factors of each transform. */
export const stridedFactors = {
  source: [a, b, a * a, b * b, a * a + b * b, (a * b) ** 2],
  products: [a, b, a * a, b * b, a ** 3, b ** 3],
  filter: [1 / divisor, 1 / -divisor, 1 / (a * divisor), 1 / (b * -divisor)],
} as const;

/** Some of the five points of one line of cells: few at a time, so that few values live. */
type Stage = <T>(ops: Arithmetic<T>, d: (i: number) => T) => readonly T[];

const sourcePair =
  (p: number, q: number): Stage =>
  ({ minus, scale, add, subtract }, d) => {
    const even = minus(d(3), q * q, d(1));
    const odd = scale(minus(d(2), q * q, d(0)), p);
    return [add(even, odd), subtract(even, odd)];
  };

const sourceStages: readonly Stage[] = [
  sourcePair(a, b),
  sourcePair(b, a),
  ({ minus, plus }, d) => [plus(minus(d(4), a * a + b * b, d(2)), (a * b) ** 2, d(0))],
];

const gradientStages: readonly Stage[] = [(ops, d) => gradientPair(ops, d, a), (ops, d) => gradientPair(ops, d, b), (_, d) => [d(3)]];

/** Where the cells lie that the two kinds of values are made of. */
interface Cells {
  readonly count: number;
  readonly even: (i: number) => number;
  readonly oddRow: (i: number) => number;
  readonly oddColumn: (i: number) => number;
}

/** A transform of a tile of cells of a few channels into 81 values. */
const transformOf =
  (stages: readonly Stage[], { count, even, oddRow, oddColumn }: Cells) =>
  <T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void => {
    const lines = evens.slice(0, count);
    const row = (index: number, values: readonly T[]): void =>
      stages.flatMap((stage) => stage(ops, (i) => values[i]!)).forEach((value, point) => write(stridedPoint(index, point), value));
    let first = 0;
    for (const stage of stages) {
      const at = (column: number): readonly T[] => stage(ops, (i) => read(even(i), column));
      const columns = lines.map((j) => at(even(j)));
      columns[0]!.forEach((_, k) =>
        row(
          first + k,
          columns.map((values) => values[k]!),
        ),
      );
      for (const j of odds) at(oddColumn(j)).forEach((value, k) => write(stridedPoint(first + k, evenCount + j), value));
      first += columns[0]!.length;
    }
    for (const i of odds) {
      row(
        evenCount + i,
        lines.map((j) => read(oddRow(i), even(j))),
      );
      for (const j of odds) write(stridedPoint(evenCount + i, evenCount + j), read(oddRow(i), oddColumn(j)));
    }
  };

const odd = (i: number): number => 2 * i + 1;
const own = (i: number): number => i;

/** Transforms one tile of 9x9 source cells. */
export const transformStridedSource = transformOf(sourceStages, { count: 5, even: (i) => 2 * i, oddRow: odd, oddColumn: odd });

/** Transforms 4x4 cells of dy for the gradient of the filter. */
export const transformStridedGradient = transformOf(gradientStages, { count: 4, even: own, oddRow: own, oddColumn: own });

/** Outputs 0 and 2, or 1 and 3, of five products. */
type Outputs = <T>(ops: Arithmetic<T>, m: (i: number) => T) => readonly [T, T];

const outputs02: Outputs = ({ add, plus, scale }, m) => {
  const [nearA, nearB] = [add(m(0), m(1)), add(m(2), m(3))];
  return [add(nearA, nearB), plus(scale(nearA, a * a), b * b, nearB)];
};

const outputs13: Outputs = ({ subtract, plus, scale }, m) => {
  const [nearA, nearB] = [subtract(m(0), m(1)), subtract(m(2), m(3))];
  return [plus(scale(nearA, a), b, nearB), plus(plus(m(4), a ** 3, nearA), b ** 3, nearB)];
};

function outputs<T>(ops: Arithmetic<T>, m: (i: number) => T): readonly [T, T, T, T] {
  const [y0, y2] = outputs02(ops, m);
  const [y1, y3] = outputs13(ops, m);
  return [y0, y1, y2, y3];
}

const halves = [
  [outputs02, 0],
  [outputs13, 1],
] as const;

/** Transforms 81 products of a few channels into 4x4 output cells, two rows at a time; a row is given to `write` as a whole. */
export function transformStridedProducts<T>(ops: Arithmetic<T>, read: Read<T>, write: (row: number, cells: readonly T[]) => void): void {
  const { add } = ops;
  for (const [half, first] of halves) {
    const both = [0, 1] as const;
    const row = (which: 0 | 1): number => first + 2 * which;
    const pairs = evens.map((j) => half(ops, (i) => read(i, j)));
    const through = both.map((which) => {
      const sums = pairs.map((pair, j) => add(pair[which], read(evenCount + row(which), j)));
      return outputs(ops, (j) => sums[j]!);
    });
    const cells = odds.map((j) => {
      const pair = half(ops, (i) => read(i, evenCount + j));
      return both.map((which) => add(through[which]![j], add(pair[which], read(evenCount + row(which), evenCount + j))));
    });
    for (const which of both)
      write(
        row(which),
        cells.map((ofColumn) => ofColumn[which]!),
      );
  }
}

/** Along each axis 1 where the first cell of a tile of dx hears from the tap in the middle, and 0 where it hears from the two others. */
export interface Parity {
  readonly row: number;
  readonly column: number;
}

/** Transforms 5x5 cells of dy into what 8x8 cells of dx are made of. */
export const transformBackwardSource = ({ row, column }: Parity): ReturnType<typeof transformOf> =>
  transformOf(sourceStages, { count: 5, even: own, oddRow: (i) => i + 1 - row, oddColumn: (i) => i + 1 - column });

/** Transforms 81 products of a few channels back into 8x8 cells of dx; a row is given to `write` as a whole. */
export const transformBackwardProducts =
  ({ row, column }: Parity) =>
  <T>(ops: Arithmetic<T>, read: Read<T>, write: (row: number, cells: readonly T[]) => void): void => {
    const interleaved = (even: readonly T[], odd: readonly T[]): readonly T[] =>
      odds.flatMap((j) => (column === 1 ? [odd[j]!, even[j]!] : [even[j]!, odd[j]!]));
    for (const [half, first] of halves) {
      const pairs = evens.map((j) => half(ops, (i) => read(i, j)));
      const even = [0, 1].map((which) => outputs(ops, (j) => pairs[j]![which]!));
      const odd = odds.map((j) => half(ops, (i) => read(i, evenCount + j)));
      for (const which of [0, 1] as const)
        write(
          2 * (first + 2 * which) + row,
          interleaved(
            even[which]!,
            odd.map((pair) => pair[which]),
          ),
        );
    }
    for (const i of odds)
      write(
        2 * i + 1 - row,
        interleaved(
          outputs(ops, (j) => read(evenCount + i, j)),
          odds.map((j) => read(evenCount + i, evenCount + j)),
        ),
      );
  };

/** The six values of a filter of three taps. */
function filterValues<T>({ scale, add, subtract }: Arithmetic<T>, g: (i: number) => T): readonly T[] {
  const pair = (p: number, by: number): readonly [T, T] => {
    const [even, odd] = [scale(g(2), 1 / by), scale(g(0), 1 / (p * by))];
    return [add(even, odd), subtract(even, odd)];
  };
  return [...pair(a, divisor), ...pair(b, -divisor), g(2), g(1)];
}

/** Transforms 3x3 taps of a few channels into 36 values. */
export function transformStridedFilter<T>(ops: Arithmetic<T>, read: Read<T>, write: (weight: number, value: T) => void): void {
  const columns = [0, 1, 2].map((j) => {
    const taps = [0, 1, 2].map((i) => read(i, j));
    return filterValues(ops, (i) => taps[i]!);
  });
  columns[0]!.forEach((_, i) => {
    filterValues(ops, (j) => columns[j]![i]!).forEach((value, j) => write(stridedWeight(i, j), value));
  });
}

/** Three taps from the six values of a line of sums. */
function tapsOf<T>({ plus, scale, add, subtract }: Arithmetic<T>, m: (i: number) => T): readonly [T, T, T] {
  const [evenA, oddA] = [add(m(0), m(1)), subtract(m(0), m(1))];
  const [evenB, oddB] = [add(m(2), m(3)), subtract(m(2), m(3))];
  return [plus(scale(oddA, 1 / (a * divisor)), 1 / (b * -divisor), oddB), m(5), plus(m(4), 1 / divisor, subtract(evenA, evenB))];
}

/** Transforms 36 sums of products of a few channels into the gradient of 3x3 taps. */
export function transformStridedSums<T>(ops: Arithmetic<T>, read: Read<T>, write: (tap: number, value: T) => void): void {
  const columns = [0, 1, 2, 3, 4, 5].map((j) => tapsOf(ops, (i) => read(i, j)));
  for (const row of [0, 1, 2] as const) {
    tapsOf(ops, (j) => columns[j]![row]).forEach((value, column) => write(row * 3 + column, value));
  }
}
