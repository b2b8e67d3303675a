import { referenceKernel } from '@shoal/core/reference';
import { conv2dGradientInput, conv2dGradientWeight, conv2dOp } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { forEachTap } from './taps.ts';

export const conv2dReference = referenceKernel(conv2dOp, ({ inputs: [x, weight, bias], outputs: [y], attributes }) => {
  const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
  const [from, by, to] = [x!.data, weight!.data, y!.data];
  forEachTap(geometry, attributes, (xi, wi, yi) => {
    for (let o = 0; o < geometry.outputChannelsPerGroup; o++) to[yi + o]! += from[xi]! * by[wi + o]!;
  });
  if (bias) y!.data.forEach((sum, i) => (y!.data[i] = sum + bias.data[i % geometry.outputChannels]!));
});

export const conv2dGradientInputReference = referenceKernel(conv2dGradientInput, ({ inputs: [dy, weight], outputs: [dx], attributes }) => {
  const geometry = conv2dGeometry(conv2dGradientInput.name, attributes.inputShape, weight!.shape, attributes);
  const [from, by, to] = [dy!.data, weight!.data, dx!.data];
  forEachTap(geometry, attributes, (xi, wi, yi) => {
    for (let o = 0; o < geometry.outputChannelsPerGroup; o++) to[xi]! += from[yi + o]! * by[wi + o]!;
  });
});

export const conv2dGradientWeightReference = referenceKernel(conv2dGradientWeight, ({ inputs: [x, dy], outputs: [dw], attributes }) => {
  const geometry = conv2dGeometry(conv2dGradientWeight.name, x!.shape, attributes.weightShape, attributes);
  const [from, by, to] = [x!.data, dy!.data, dw!.data];
  forEachTap(geometry, attributes, (xi, wi, yi) => {
    for (let o = 0; o < geometry.outputChannelsPerGroup; o++) to[wi + o]! += from[xi]! * by[yi + o]!;
  });
});
