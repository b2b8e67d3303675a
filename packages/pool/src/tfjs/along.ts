import { addAll, broadcast, place, take, tapsAlong, type Tap, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import type { Shape, Window2d } from '@shoal/core';

/** Pooling runs along the width first and then along the height: axis 2, then axis 1. */
export type Side = 'height' | 'width';

export const axisOf = (side: Side): number => (side === 'height' ? 1 : 2);

const resized = (shape: Shape, axis: number, size: number): number[] => shape.map((n, i) => (i === axis ? size : n));

/** One number for each position of an axis of size `values.length`. */
export function ramp(tf: Tensorflow, values: readonly number[], axis: number): Tensor {
  return tf.tensor(Float32Array.from(values), resized([1, 1, 1, 1], axis, values.length));
}

/** Window positions, as a run. */
export const positions = ({ first, count }: Tap) => ({ start: first, count, stride: 1 });

/** Sums each window along one side of `x` [n, h, w, c]. */
export function sumAlong(tf: Tensorflow, x: Tensor, side: Side, output: number, attributes: Window2d): Tensor {
  const axis = axisOf(side);
  const terms = tapsAlong(side, x.shape[axis]!, output, attributes).map((tap) =>
    place(tf, take(tf, x, axis, tap), axis, positions(tap), output),
  );
  return addAll(tf, terms);
}

/** The adjoint of {@link sumAlong}: every cell gets the sum of what arrived at the windows it is in. */
export function spreadAlong(tf: Tensorflow, dy: Tensor, side: Side, input: number, attributes: Window2d): Tensor {
  const axis = axisOf(side);
  const output = dy.shape[axis]!;
  const taps = tapsAlong(side, input, output, attributes);
  if (output === 1 && attributes.dilation[side] === 1) {
    return place(tf, broadcast(tf, dy, resized(dy.shape, axis, taps.length)), axis, { start: taps[0]!.start, stride: 1 }, input);
  }
  return addAll(
    tf,
    taps.map((tap) => place(tf, take(tf, dy, axis, positions(tap)), axis, tap, input)),
  );
}
