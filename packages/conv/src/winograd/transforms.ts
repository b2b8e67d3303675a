/**
 * Winograd's minimal filtering F(4, 3): four outputs of a filter of three taps from six products, with the points 0, ±a, ±b and
 * infinity (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, for the scheme). A product belongs to a
 * point p: both operands are read as polynomials and evaluated there. The usual integers 0, ±1, ±2 round four times worse than
 * a = 1/sqrt(2) and b = sqrt(2), whose products ab = 1, a²b² = 1 and a² + b² = 5/2 keep the rows as short.
 *
 * Filter, u(p) = (g0 + p g1 + p² g2) / N(p), N(p) being the product of p - q over the other finite points q:
 * N(0) = 1, N(±a) = -3/2, N(±b) = 6; u(infinity) = g2.
 *
 * Source, v(p) = the coefficients of x (x² - a²)(x² - b²) / (x - p), applied to d0..d5:
 *   v(0)  = d0 - 5/2 d2 + d4
 *   v(±a) = (d4 - b² d2) ± (a d3 - b d1)
 *   v(±b) = (d4 - a² d2) ± (b d3 - a d1)
 *   v(infinity) = d1 - 5/2 d3 + d5
 *
 * Output, y(i) = the sum of pⁱ m(p) over the finite points, and m(infinity) for i = 3:
 *   y0 = m(0) + (m(a) + m(-a)) + (m(b) + m(-b))        y2 = a² (m(a) + m(-a)) + b² (m(b) + m(-b))
 *   y1 = a (m(a) - m(-a)) + b (m(b) - m(-b))           y3 = a³ (m(a) - m(-a)) + b³ (m(b) - m(-b)) + m(infinity)
 *
 * Both axes go the same way. Points are numbered 0, a, -a, b, -b, infinity.
 *
 * The gradient of the filter, y(i) = the sum of d(i + j) g(j) over four cells j of dy, is F(3, 4): the same points and the same source
 * transform, for the degrees add up to the same. dy is evaluated at the points as it is, u(p) = g0 + p g1 + p² g2 + p³ g3 and
 * u(infinity) = g3, the transpose of the output transform above; products are divided by N(p) and gathered by the transpose of the
 * filter's: y(i) = the sum of pⁱ m(p) / N(p), and m(infinity) for i = 2.
 */
const a = Math.SQRT1_2;
const b = Math.SQRT2;

/** How a backend computes with numbers, or vectors of them, while it writes a kernel. */
export interface Arithmetic<T> {
  readonly add: (x: T, y: T) => T;
  readonly subtract: (x: T, y: T) => T;
  readonly scale: (x: T, by: number) => T;
  /** x + by * y. */
  readonly plus: (x: T, by: number, y: T) => T;
  /** x - by * y. */
  readonly minus: (x: T, by: number, y: T) => T;
}

/** Reads a cell, or a value. */
export type Read<T> = (row: number, column: number) => T;

const sides = [0, 1, 2, 3, 4, 5] as const;

/** The factors of each transform. */
export const factors = {
  source: [a, b, a * a, b * b, 2.5],
  products: [a, b, a * a, b * b, a ** 3, b ** 3],
  filter: [1 / -1.5, (a * a) / -1.5, a / -1.5, 1 / 6, (b * b) / 6, b / 6],
} as const;

/** v(±p) with p = a and q = b, or p = b and q = a, of six values. */
function sourcePair<T>({ minus, scale, add, subtract }: Arithmetic<T>, d: (i: number) => T, p: number, q: number): readonly [T, T] {
  const even = minus(d(4), q * q, d(2));
  const odd = minus(scale(d(3), p), q, d(1));
  return [add(even, odd), subtract(even, odd)];
}

/** v(0) from d0, d2, d4 and, moved by one, v(infinity) from d1, d3, d5. */
const sourceEnd = <T>({ minus, add }: Arithmetic<T>, d: (i: number) => T, first: number): T =>
  minus(add(d(first), d(first + 4)), 2.5, d(first + 2));

/**
 * Transforms one tile of 6x6 source cells of a few channels. Rows of points are done two at a time, so that no more than twelve
 * values live: reading a source cell again costs less than keeping it.
 */
export function transformSource<T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void {
  const row = (index: number, values: readonly T[]): void => {
    const at = (i: number): T => values[i]!;
    const out = (point: number, value: T): void => write(index * sides.length + point, value);
    out(0, sourceEnd(ops, at, 0));
    const [aPlus, aMinus] = sourcePair(ops, at, a, b);
    out(1, aPlus);
    out(2, aMinus);
    const [bPlus, bMinus] = sourcePair(ops, at, b, a);
    out(3, bPlus);
    out(4, bMinus);
    out(5, sourceEnd(ops, at, 1));
  };
  const column = (j: number) => (i: number) => read(i, j);
  for (const [p, q, first] of [
    [a, b, 1],
    [b, a, 3],
  ] as const) {
    const pairs = sides.map((j) => sourcePair(ops, column(j), p, q));
    row(
      first,
      pairs.map(([positive]) => positive),
    );
    row(
      first + 1,
      pairs.map(([, negative]) => negative),
    );
  }
  row(
    0,
    sides.map((j) => sourceEnd(ops, column(j), 0)),
  );
  row(
    5,
    sides.map((j) => sourceEnd(ops, column(j), 1)),
  );
}

/** y0 and y2 of six products. */
function evenOutputs<T>({ add, plus, scale }: Arithmetic<T>, m: (i: number) => T): readonly [T, T] {
  const [nearA, nearB] = [add(m(1), m(2)), add(m(3), m(4))];
  return [add(add(m(0), nearA), nearB), plus(scale(nearA, a * a), b * b, nearB)];
}

/** y1 and y3. */
function oddOutputs<T>({ subtract, plus, scale }: Arithmetic<T>, m: (i: number) => T): readonly [T, T] {
  const [nearA, nearB] = [subtract(m(1), m(2)), subtract(m(3), m(4))];
  return [plus(scale(nearA, a), b, nearB), plus(plus(m(5), a ** 3, nearA), b ** 3, nearB)];
}

/** Transforms 36 products of a few channels back into 4x4 output cells, two rows at a time; a row is given to `write` as a whole. */
export function transformProducts<T>(ops: Arithmetic<T>, read: Read<T>, write: (row: number, cells: readonly T[]) => void): void {
  const column = (j: number) => (i: number) => read(i, j);
  for (const [outputs, first] of [
    [evenOutputs, 0],
    [oddOutputs, 1],
  ] as const) {
    const pairs = sides.map((j) => outputs(ops, column(j)));
    for (const which of [0, 1] as const) {
      const m = (i: number): T => pairs[i]![which];
      const [y0, y2] = evenOutputs(ops, m);
      const [y1, y3] = oddOutputs(ops, m);
      write(first + 2 * which, [y0, y1, y2, y3]);
    }
  }
}

/** The six values of a filter of three taps. */
function filterValues<T>({ plus, scale, add, subtract }: Arithmetic<T>, g: (i: number) => T): readonly T[] {
  const pair = (p: number, divisor: number): readonly [T, T] => {
    const even = plus(scale(g(0), 1 / divisor), (p * p) / divisor, g(2));
    const odd = scale(g(1), p / divisor);
    return [add(even, odd), subtract(even, odd)];
  };
  return [g(0), ...pair(a, -1.5), ...pair(b, 6), g(2)];
}

/** Transforms 3x3 taps of a few channels into 36 values. */
export function transformFilter<T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void {
  const columns = [0, 1, 2].map((j) => {
    const taps = [0, 1, 2].map((i) => read(i, j));
    return filterValues(ops, (i) => taps[i]!);
  });
  sides.forEach((i) => {
    filterValues(ops, (j) => columns[j]![i]!).forEach((value, j) => write(i * sides.length + j, value));
  });
}

/** The values of four neighbouring cells of dy at the points p and -p. */
export function gradientPair<T>({ plus, scale, add, subtract }: Arithmetic<T>, g: (i: number) => T, p: number): readonly [T, T] {
  const even = plus(g(0), p * p, g(2));
  const odd = plus(scale(g(1), p), p ** 3, g(3));
  return [add(even, odd), subtract(even, odd)];
}

/** Transforms 4x4 cells of dy of a few channels into 36 values, rows of points at most two at a time. */
export function transformGradient<T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void {
  const cells = [0, 1, 2, 3] as const;
  const row = (index: number, values: readonly T[]): void => {
    const at = (j: number): T => values[j]!;
    [at(0), ...gradientPair(ops, at, a), ...gradientPair(ops, at, b), at(3)].forEach((value, j) => write(index * sides.length + j, value));
  };
  for (const [p, first] of [
    [a, 1],
    [b, 3],
  ] as const) {
    const pairs = cells.map((j) => gradientPair(ops, (i) => read(i, j), p));
    row(
      first,
      pairs.map(([positive]) => positive),
    );
    row(
      first + 1,
      pairs.map(([, negative]) => negative),
    );
  }
  row(
    0,
    cells.map((j) => read(0, j)),
  );
  row(
    5,
    cells.map((j) => read(3, j)),
  );
}

/** Three taps from six sums of products. */
function tapsOf<T>({ plus, scale, add, subtract }: Arithmetic<T>, m: (i: number) => T): readonly [T, T, T] {
  const [evenA, oddA] = [add(m(1), m(2)), subtract(m(1), m(2))];
  const [evenB, oddB] = [add(m(3), m(4)), subtract(m(3), m(4))];
  return [
    plus(plus(m(0), 1 / -1.5, evenA), 1 / 6, evenB),
    plus(scale(oddA, a / -1.5), b / 6, oddB),
    plus(plus(m(5), (a * a) / -1.5, evenA), (b * b) / 6, evenB),
  ];
}

/** Transforms 36 sums of products of a few channels into the gradient of 3x3 taps. */
export function transformSums<T>(ops: Arithmetic<T>, read: Read<T>, write: (tap: number, value: T) => void): void {
  const columns = sides.map((j) => tapsOf(ops, (i) => read(i, j)));
  for (const row of [0, 1, 2] as const) {
    tapsOf(ops, (j) => columns[j]![row]).forEach((value, column) => write(row * 3 + column, value));
  }
}
