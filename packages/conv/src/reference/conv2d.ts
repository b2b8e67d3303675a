import { referenceKernel } from '@shoal/core/reference';
import { conv2dGradientInput, conv2dGradientWeight, conv2dOp } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { forEachTap } from './taps.ts';

export const conv2dReference = referenceKernel(conv2dOp, ({ inputs: [x, weight, bias], outputs: [y], attributes }) => {
  const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
  forEachTap(geometry, attributes, (xi, wi, yi) => (y!.data[yi]! += x!.data[xi]! * weight!.data[wi]!));
  if (bias) y!.data.forEach((sum, i) => (y!.data[i] = sum + bias.data[i % geometry.outputChannels]!));
});

export const conv2dGradientInputReference = referenceKernel(conv2dGradientInput, ({ inputs: [dy, weight], outputs: [dx], attributes }) => {
  const geometry = conv2dGeometry(conv2dGradientInput.name, attributes.inputShape, weight!.shape, attributes);
  forEachTap(geometry, attributes, (xi, wi, yi) => (dx!.data[xi]! += dy!.data[yi]! * weight!.data[wi]!));
});

export const conv2dGradientWeightReference = referenceKernel(conv2dGradientWeight, ({ inputs: [x, dy], outputs: [dw], attributes }) => {
  const geometry = conv2dGeometry(conv2dGradientWeight.name, x!.shape, attributes.weightShape, attributes);
  forEachTap(geometry, attributes, (xi, wi, yi) => (dw!.data[wi]! += x!.data[xi]! * dy!.data[yi]!));
});
