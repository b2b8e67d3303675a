import { expression as e, map, pad, reduce, reshape, slice, type Shape, type Value } from '@shoal/core';
import { mean } from '@shoal/math';

// What Shoal has no name for, written with what it has.

/** Local response normalization over the last axis: x / (bias + alpha * sum of squares of the channels c - before .. c + after)^beta. */
export function localResponseNormalization(
  x: Value,
  o: { before: number; after: number; bias: number; alpha: number; beta: number },
): Value {
  const last = x.shape.length - 1;
  const only = (cells: number): number[] => x.shape.map((_, axis) => (axis === last ? cells : 0));
  const padded = pad(
    map([x], (a) => e.mul(a, a)),
    { before: only(o.before), after: only(o.after) },
  );
  const neighbours = Array.from({ length: o.before + o.after + 1 }, (_, start) => slice(padded, { start: only(start), size: x.shape }));
  const power = neighbours.reduce((a, b) => map([a, b], (left, right) => e.add(left, right)));
  return map([x, power], (a, s) => e.div(a, e.pow(e.add(o.bias, e.mul(o.alpha, s)), o.beta)));
}

/** Layer normalization over the axes from `axis` on; also the mean and 1 / sqrt(variance + epsilon), with those axes of size 1. */
export function layerNormalization(
  x: Value,
  axis: number,
  epsilon: number,
): { readonly output: Value; readonly mean: Value; readonly inverse: Value } {
  const axes = x.shape.map((_, i) => i).slice(axis);
  const center = mean(x, { axes, keep: true });
  const off = map([x, center], (a, m) => e.sub(a, m));
  const variance = mean(
    map([off], (a) => e.mul(a, a)),
    { axes, keep: true },
  );
  const inverse = map([variance], (v) => e.div(1, e.sqrt(e.add(v, epsilon))));
  return { output: map([off, inverse], (a, s) => e.mul(a, s)), mean: center, inverse };
}

/** -w[target] * x[target] over the last axis, and what `mean` divides by. */
export function negativeLogLikelihood(
  x: Value,
  target: Value,
  weights: Value | undefined,
  ignored: number | null,
  reduction: string,
): Value {
  const last = x.shape.length - 1;
  const index = reshape(target, [...target.shape, 1]);
  const operands = weights ? [x, index, weights] : [x, index];
  const chosen = (pick: (a: e.Expression, w: e.Operand) => e.Operand): Value => {
    const terms = map(operands, (a, at, w) => {
      const own = e.select(e.eq(at, e.coordinate(last)), pick(a, w ?? 1), 0);
      return ignored === null ? own : e.select(e.eq(at, ignored), e.literal(0), own);
    });
    return reduce(terms, { kind: 'sum', axes: [last] });
  };
  const rows = chosen((a, w) => e.neg(e.mul(a, w)));
  if (reduction === 'none') return rows;
  const total = reduce(rows, { kind: 'sum' });
  if (reduction === 'sum') return total;
  const counted = reduce(
    chosen((_, w) => w),
    { kind: 'sum' },
  );
  return map([total, counted], (a, n) => e.div(a, n));
}

/** alpha * x + beta * c, the second where there is a `c`. */
export function axpy(alpha: number, x: Value, beta: number, c: Value | undefined): Value {
  if (!c) return map([x], (a) => e.mul(alpha, a));
  return map([x, c], (a, b) => e.add(e.mul(alpha, a), e.mul(beta, b)));
}

/** Consecutive pieces along an axis. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  let offset = 0;
  return sizes.map((size) => {
    const start = x.shape.map((_, i) => (i === axis ? offset : 0));
    offset += size;
    return slice(x, { start, size: x.shape.map((n, i) => (i === axis ? size : n)) });
  });
}

/** Sizes of `parts` pieces as equal as can be, the smaller last. */
export function equalParts(size: number, parts: number): readonly number[] {
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
}

/** An axis counted from the start. */
export const fromStart = (axis: number, { length }: Shape): number => (axis < 0 ? axis + length : axis);
