import { place, take, tapsAlong, type Tap, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import type { Shape, Size2d } from '@shoal/core';
import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';

/** One cell of the window, and the part of the planes that it connects: output positions and the input cells that they read through it. */
export interface PlaneTap {
  readonly rows: Tap;
  readonly columns: Tap;
}

/** Every cell of the window that meets the input at some position. */
export function planeTaps({ input, output }: Conv2dGeometry, attributes: Conv2dAttributes): readonly PlaneTap[] {
  const across = tapsAlong('width', input.width, output.width, attributes);
  return tapsAlong('height', input.height, output.height, attributes).flatMap((rows) => across.map((columns) => ({ rows, columns })));
}

/** Of `x` [n, h, w, c] what a tap reads: [n, rows, columns, c]. */
export function readInput(tf: Tensorflow, x: Tensor, { rows, columns }: PlaneTap): Tensor {
  return take(tf, take(tf, x, 1, rows), 2, columns);
}

/** The adjoint of {@link readInput}: zeros where the tap reads nothing. */
export function writeInput(tf: Tensorflow, part: Tensor, { rows, columns }: PlaneTap, { height, width }: Size2d): Tensor {
  return place(tf, place(tf, part, 2, columns, width), 1, rows, height);
}

const positions = ({ first, count }: Tap) => ({ start: first, count, stride: 1 });

/** Of `y` [n, oh, ow, o] the positions at which a tap reads anything. */
export function readOutput(tf: Tensorflow, y: Tensor, { rows, columns }: PlaneTap): Tensor {
  return take(tf, take(tf, y, 1, positions(rows)), 2, positions(columns));
}

/** The adjoint of {@link readOutput}. */
export function writeOutput(tf: Tensorflow, part: Tensor, { rows, columns }: PlaneTap, { height, width }: Size2d): Tensor {
  return place(tf, place(tf, part, 2, positions(columns), width), 1, positions(rows), height);
}

/** A tap's weights by group: [groups, in / groups, out / groups], of `weight` [kh, kw, in / groups, out]. */
export function tapWeight(tf: Tensorflow, weight: Tensor, { rows, columns }: PlaneTap, groups: number): Tensor {
  const [, , inputs, outputs] = weight.shape as [number, number, number, number];
  const matrix = tf.slice(weight, [rows.cell, columns.cell, 0, 0], [1, 1, inputs, outputs]);
  return groups === 1 ? tf.reshape(matrix, [1, inputs, outputs]) : byGroup(tf, matrix, groups);
}

/** [..., groups * k] as [groups, rows, k]. */
export function byGroup(tf: Tensorflow, x: Tensor, groups: number): Tensor {
  const perGroup = x.shape.at(-1)! / groups;
  if (groups === 1) return tf.reshape(x, [1, -1, perGroup]);
  return tf.transpose(tf.reshape(x, [-1, groups, perGroup]), [1, 0, 2]);
}

/** The inverse of {@link byGroup}. */
export function fromGroups(tf: Tensorflow, x: Tensor, shape: Shape): Tensor {
  return tf.reshape(x.shape[0] === 1 ? x : tf.transpose(x, [1, 0, 2]), [...shape]);
}
