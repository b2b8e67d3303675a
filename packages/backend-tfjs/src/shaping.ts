import { broadcastShapes, sameShape, sizeOf, type Shape } from '@shoal/core';
import type { Tensor, Tensorflow } from './engine.ts';

/** Fewer axes that say the same. */
export interface JoinedAxes {
  readonly shape: readonly number[];
  /** What the given shapes become. */
  readonly own: readonly (readonly number[])[];
}

/**
 * Joins neighbouring axes along which each of some tensors is repeated throughout, or not at all, and drops those of size 1:
 * engines fail at higher ranks.
 */
export function joinAxes(shape: Shape, own: readonly Shape[]): JoinedAxes {
  const sizes = own.map((given) => [...shape.slice(given.length).map(() => 1), ...given]);
  const groups: { size: number; readonly own: number[] }[] = [];
  shape.forEach((size, axis) => {
    const last = groups.at(-1);
    if (size === 1) return;
    if (last && sizes.every((given, i) => (given[axis] === 1) === (last.own[i] === 1))) {
      last.size *= size;
      sizes.forEach((given, i) => (last.own[i]! *= given[axis]!));
    } else groups.push({ size, own: sizes.map((given) => given[axis]!) });
  });
  return { shape: groups.map(({ size }) => size), own: own.map((_, i) => groups.map((group) => group.own[i]!)) };
}

/** `x` repeated to `shape`: from rank 5 on webgpu does that on the CPU, and may lose the device. */
export function broadcast(tf: Tensorflow, x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const joined = joinAxes(shape, [x.shape]);
  const from = tf.reshape(x, [...joined.own[0]!]);
  return tf.reshape(sameShape(from.shape, joined.shape) ? from : tf.broadcastTo(from, [...joined.shape]), [...shape]);
}

/** webgpu selects up to this rank. */
const selectRank = 4;

/** `a` where the condition holds, else `b`; all three broadcast. */
export function select(tf: Tensorflow, condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes('backend-tfjs', condition.shape, a.shape, b.shape);
  if (shape.length <= selectRank) return tf.where(condition, a, b);
  const flat = (x: Tensor): Tensor => tf.reshape(broadcast(tf, x, shape), [-1]);
  return tf.reshape(tf.where(flat(condition), flat(a), flat(b)), [...shape]);
}

/** Every `stride`-th of an axis from `start` on, `count` of them. */
export interface Run {
  readonly start: number;
  readonly count: number;
  readonly stride: number;
}

/** `x` as [outer, axis, inner]: ranks above 4 are where engines fail. */
function around(tf: Tensorflow, x: Tensor, axis: number): Tensor {
  return tf.reshape(x, [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))]);
}

const withSize = (shape: Shape, axis: number, size: number): number[] => shape.map((n, i) => (i === axis ? size : n));

/** The elements of a run along one axis of an f32 tensor. */
export function take(tf: Tensorflow, x: Tensor, axis: number, { start, count, stride }: Run): Tensor {
  if (start === 0 && count === x.shape[axis] && stride === 1) return x;
  const grouped = around(tf, x, axis);
  const [outer, , inner] = grouped.shape as [number, number, number];
  // cpu takes a thirtieth of the time to gather what it does not find in one piece; strided slices are slow everywhere.
  const inPieces = stride > 1 || (outer > 1 && tf.getBackend() === 'cpu');
  const positions = (): Tensor =>
    tf.tensor(
      Int32Array.from({ length: count }, (_, i) => start + i * stride),
      [count],
      'int32',
    );
  const taken = inPieces ? tf.gather(grouped, positions(), 1) : tf.slice(grouped, [0, start, 0], [outer, count, inner]);
  return tf.reshape(taken, withSize(x.shape, axis, count));
}

/** The adjoint of {@link take}: the elements of `x` along an axis of `size` elements, `stride` apart from `start` on, `value` between and around. */
export function place(tf: Tensorflow, x: Tensor, axis: number, { start, stride }: Omit<Run, 'count'>, size: number, value = 0): Tensor {
  const count = x.shape[axis]!;
  if (start === 0 && count === size && stride === 1) return x;
  const spread = stride === 1 ? x : interleave(tf, x, axis, stride, value);
  const after = size - start - spread.shape[axis]!;
  const fitting = after < 0 ? take(tf, spread, axis, { start: 0, count: size - start, stride: 1 }) : spread;
  const grouped = around(tf, fitting, axis);
  const padding: [number, number][] = [
    [0, 0],
    [start, Math.max(0, after)],
    [0, 0],
  ];
  return tf.reshape(tf.pad(grouped, padding, value), withSize(x.shape, axis, size));
}

/** `stride - 1` times `value` after each element of an axis. */
function interleave(tf: Tensorflow, x: Tensor, axis: number, stride: number, value: number): Tensor {
  const count = x.shape[axis]!;
  const [outer, , inner] = around(tf, x, axis).shape as [number, number, number];
  const padding: [number, number][] = [
    [0, 0],
    [0, stride - 1],
    [0, 0],
  ];
  const spaced = tf.pad(tf.reshape(x, [outer * count, 1, inner]), padding, value);
  return tf.reshape(spaced, withSize(x.shape, axis, count * stride));
}

/** The sum of tensors of one shape, pair by pair, so that rounding grows with the logarithm of their number. */
export function addAll(tf: Tensorflow, terms: readonly Tensor[]): Tensor {
  if (terms.length === 1) return terms[0]!;
  const pairs = Array.from({ length: Math.ceil(terms.length / 2) }, (_, i) => terms.slice(2 * i, 2 * i + 2));
  return addAll(
    tf,
    pairs.map(([a, b]) => (b ? tf.add(a!, b) : a!)),
  );
}

/** The sum of a term for each item, zeros of `shape` where there is none; no more than two terms exist at a time. Each term is a new tensor. */
export function accumulate<T>(tf: Tensorflow, items: readonly T[], shape: Shape, term: (item: T) => Tensor): Tensor {
  let sum: Tensor | null = null;
  for (const item of items) {
    const before: Tensor | null = sum;
    sum = tf.tidy(() => (before ? tf.add(before, term(item)) : term(item)));
    before?.dispose();
  }
  return sum ?? tf.zeros([...shape]);
}
