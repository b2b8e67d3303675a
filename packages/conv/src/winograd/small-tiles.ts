import type { Arithmetic } from './transforms.ts';

/**
 * Winograd's minimal filtering F(2, 3): two outputs of a filter of three taps from four products, with the points 0, 1, -1 and infinity
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.1). Its factors are 1 and 1/2, so it rounds
 * hardly worse than direct sums.
 *
 *   filter  u(0) = g0, u(±1) = (g0 + g2 ± g1) / 2, u(infinity) = g2
 *   source  v(0) = d0 - d2, v(±1) = d2 ± d1, v(infinity) = d3 - d1
 *   output  y0 = m(0) + m(1) + m(-1), y1 = m(1) - m(-1) + m(infinity)
 *
 * Both axes go the same way. Points are numbered 0, 1, -1, infinity.
 */
export const smallFactors = { source: [], products: [], filter: [0.5] } as const;

type Read<T> = (row: number, column: number) => T;

const sides = [0, 1, 2, 3] as const;

function sourceValues<T>({ add, subtract }: Arithmetic<T>, d: (i: number) => T): readonly T[] {
  return [subtract(d(0), d(2)), add(d(2), d(1)), subtract(d(2), d(1)), subtract(d(3), d(1))];
}

/** Transforms one tile of 4x4 source cells of a few channels into 16 values. */
export function transformSmallSource<T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void {
  const columns = sides.map((j) => sourceValues(ops, (i) => read(i, j)));
  sides.forEach((i) => {
    sourceValues(ops, (j) => columns[j]![i]!).forEach((value, j) => write(i * sides.length + j, value));
  });
}

function outputs<T>({ add, subtract }: Arithmetic<T>, m: (i: number) => T): readonly [T, T] {
  return [add(m(0), add(m(1), m(2))), add(subtract(m(1), m(2)), m(3))];
}

/** Transforms 16 products of a few channels back into 2x2 output cells; a row is given to `write` as a whole. */
export function transformSmallProducts<T>(ops: Arithmetic<T>, read: Read<T>, write: (row: number, cells: readonly T[]) => void): void {
  const columns = sides.map((j) => outputs(ops, (i) => read(i, j)));
  for (const row of [0, 1] as const) {
    write(
      row,
      outputs(ops, (j) => columns[j]![row]),
    );
  }
}

function filterValues<T>({ add, subtract, scale }: Arithmetic<T>, g: (i: number) => T): readonly T[] {
  const [even, odd] = [scale(add(g(0), g(2)), 0.5), scale(g(1), 0.5)];
  return [g(0), add(even, odd), subtract(even, odd), g(2)];
}

/** Transforms 3x3 taps of a few channels into 16 values. */
export function transformSmallFilter<T>(ops: Arithmetic<T>, read: Read<T>, write: (point: number, value: T) => void): void {
  const columns = [0, 1, 2].map((j) => {
    const taps = [0, 1, 2].map((i) => read(i, j));
    return filterValues(ops, (i) => taps[i]!);
  });
  sides.forEach((i) => {
    filterValues(ops, (j) => columns[j]![i]!).forEach((value, j) => write(i * sides.length + j, value));
  });
}
