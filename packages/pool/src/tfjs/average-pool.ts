import { tfjsKernel, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import type { Shape } from '@shoal/core';
import { averagePool as op, averagePoolGradient as gradient, windowDivisors, type AveragePoolAttributes } from '../average-pool.ts';
import { axisOf, ramp, spreadAlong, sumAlong } from './along.ts';

/** `x` [n, oh, ow, c] divided by what each window's sum is divided by. */
function divided(tf: Tensorflow, x: Tensor, input: Shape, attributes: AveragePoolAttributes): Tensor {
  if (attributes.divisor === 'one') return x;
  const { rows, columns } = windowDivisors(input, x.shape, attributes);
  return tf.div(x, tf.mul(ramp(tf, rows, axisOf('height')), ramp(tf, columns, axisOf('width'))));
}

export const averagePool = tfjsKernel(op, ({ tf, inputs: [x], outputs: [y], attributes }) => {
  const [, height, width] = y!.shape as [number, number, number, number];
  const sums = sumAlong(tf, sumAlong(tf, x!, 'width', width, attributes), 'height', height, attributes);
  return [divided(tf, sums, x!.shape, attributes)];
});

export const averagePoolGradient = tfjsKernel(gradient, ({ tf, inputs: [dy], outputs: [dx], attributes }) => {
  const [, height, width] = dx!.shape as [number, number, number, number];
  const shares = divided(tf, dy!, dx!.shape, attributes);
  return [spreadAlong(tf, spreadAlong(tf, shares, 'height', height, attributes), 'width', width, attributes)];
});
