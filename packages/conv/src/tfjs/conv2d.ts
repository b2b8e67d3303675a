import { accumulate, filled, place, tfjsKernel, type Tensor, type Tensor4D, type Tensorflow } from '@shoal/backend-tfjs';
import type { Padding2d } from '@shoal/core';
import { conv2dGradientInput, conv2dGradientWeight, conv2dOp } from '../conv2d.ts';
import { conv2dGeometry, outputShape, type Conv2dAttributes, type Conv2dGeometry } from '../geometry.ts';
import { byGroup, fromGroups, planeTaps, readInput, readOutput, tapWeight, writeInput, writeOutput } from './taps.ts';

/** Engines convolve without groups, and with a stride or a dilation but not both. */
function isNative({ groups, stride, dilation }: Conv2dAttributes): boolean {
  return groups === 1 && ((stride.height === 1 && stride.width === 1) || (dilation.height === 1 && dilation.width === 1));
}

function padded(tf: Tensorflow, x: Tensor, { top, bottom, left, right }: Padding2d): Tensor {
  const [, height, width] = x.shape as [number, number, number, number];
  const wide = place(tf, x, 2, { start: left, stride: 1 }, left + width + right);
  return place(tf, wide, 1, { start: top, stride: 1 }, top + height + bottom);
}

function convolution(tf: Tensorflow, x: Tensor, weight: Tensor, geometry: Conv2dGeometry, attributes: Conv2dAttributes): Tensor {
  const { stride, dilation, groups } = attributes;
  if (isNative(attributes)) {
    const [input, filter] = [padded(tf, x, attributes.padding) as Tensor4D, weight as Tensor4D];
    return tf.conv2d(input, filter, [stride.height, stride.width], 'valid', 'NHWC', [dilation.height, dilation.width]);
  }
  const { batch, output, outputChannels } = geometry;
  return accumulate(tf, planeTaps(geometry, attributes), outputShape(geometry), (tap) => {
    const products = tf.matMul(byGroup(tf, readInput(tf, x, tap), groups), tapWeight(tf, weight, tap, groups));
    return writeOutput(tf, fromGroups(tf, products, [batch, tap.rows.count, tap.columns.count, outputChannels]), tap, output);
  });
}

/** The engine's own convolution where it has one, else a matrix product for each cell of the window. */
export const conv2dTfjs = tfjsKernel(conv2dOp, ({ tf, inputs: [x, weight, bias], outputs: [y], attributes }) => {
  const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
  const sums = x!.size === 0 || weight!.size === 0 ? filled(tf, y!, 0) : convolution(tf, x!, weight!, geometry, attributes);
  return [bias ? tf.add(sums, bias) : sums];
});

/** A matrix product for each cell of the window: engines have no gradient of a dilated or grouped convolution. */
export const conv2dGradientInputTfjs = tfjsKernel(conv2dGradientInput, ({ tf, inputs: [dy, weight], outputs: [dx], attributes }) => {
  if (dy!.size === 0 || weight!.size === 0) return [filled(tf, dx!, 0)];
  const geometry = conv2dGeometry(conv2dGradientInput.name, dx!.shape, weight!.shape, attributes);
  const { batch, input, channels, groups } = geometry;
  return [
    accumulate(tf, planeTaps(geometry, attributes), dx!.shape, (tap) => {
      const products = tf.matMul(byGroup(tf, readOutput(tf, dy!, tap), groups), tapWeight(tf, weight!, tap, groups), false, true);
      return writeInput(tf, fromGroups(tf, products, [batch, tap.rows.count, tap.columns.count, channels]), tap, input);
    }),
  ];
});

/** A matrix product for each cell of the window: wasm has no such kernel, and cpu's takes some thirty times as long. */
export const conv2dGradientWeightTfjs = tfjsKernel(conv2dGradientWeight, ({ tf, inputs: [x, dy], outputs: [dw], attributes }) => {
  if (x!.size === 0 || dy!.size === 0) return [filled(tf, dw!, 0)];
  const geometry = conv2dGeometry(conv2dGradientWeight.name, x!.shape, dw!.shape, attributes);
  const { groups, channelsPerGroup, outputChannels } = geometry;
  const cell = [channelsPerGroup, outputChannels];
  const taps = new Map(planeTaps(geometry, attributes).map((tap) => [tap.rows.cell * attributes.window.width + tap.columns.cell, tap]));
  const cells = Array.from({ length: attributes.window.height * attributes.window.width }, (_, i) => {
    const tap = taps.get(i);
    if (!tap) return tf.zeros(cell);
    return tf.tidy(() => {
      const [read, arrived] = [byGroup(tf, readInput(tf, x!, tap), groups), byGroup(tf, readOutput(tf, dy!, tap), groups)];
      return fromGroups(tf, tf.matMul(read, arrived, true), cell);
    });
  });
  return [tf.reshape(cells.length === 1 ? cells[0]! : tf.stack(cells), [...dw!.shape])];
});
