import { checkOptions, formatShape, nhwc, reshape, ShapeError, type Value } from '@shoal/core';
import { conv2d, type Conv2dOptions } from './conv2d.ts';
import { weightAxes } from './geometry.ts';

const name = 'conv/depthwise-conv2d';
const optionNames = ['bias', 'stride', 'dilation', 'padding', 'paddingMode'];

/**
 * Convolves each channel by itself, `multiplier` times: output channel `c * multiplier + m` is channel `c` under `weight[:, :, c, m]`.
 *
 * A {@link conv2d} with as many groups as channels; the weight is the same numbers in the same order.
 *
 * @param x [n, h, w, c]
 * @param weight [kh, kw, c, multiplier]
 * @param options those of {@link conv2d} without `groups`; `bias` is [c * multiplier]
 * @returns [n, oh, ow, c * multiplier]
 * @throws as {@link conv2d}, and ShapeError when the weight has another number of channels than `x`
 */
export function depthwiseConv2d(x: Value, weight: Value, options: Omit<Conv2dOptions, 'groups'> = {}): Value {
  checkOptions(name, options, optionNames);
  const [, , , channels] = nhwc(name, x.shape);
  const [height, width, weightChannels, multiplier] = weightAxes(name, weight.shape, '[kh,kw,channels,multiplier]');
  if (weightChannels !== channels) {
    throw new ShapeError({
      op: name,
      fact: `weight ${formatShape(weight.shape)} is for ${weightChannels} channels, the input ${formatShape(x.shape)} has ${channels}`,
      next: 'Make weight axis 2 the channels of the input',
    });
  }
  return conv2d(x, reshape(weight, [height, width, 1, channels * multiplier]), { ...options, groups: channels });
}
