import type { Shape, Size2d } from '@shoal/core';
import type { Conv2dAttributes } from '../geometry.ts';
import { outputSide, windowSide } from './tiles.ts';

/** Channels that are read and written, the output, and whether the weights are the same in every run. */
export interface WinogradQuestion {
  readonly inner: number;
  readonly outer: number;
  readonly outputShape: Shape;
  readonly isStatic: boolean;
}

/** With fewer channels on one side there is little to gain, and direct sums are so short that Winograd errs more than 2.5 times as much. */
const fewestChannels = 16;

/** Whether sums are long enough for its error; on maps smaller than a tile most taps fall on padding, and direct sums are short there as well. */
export function isLongEnough(
  { inner, outer, outputShape: [, height, width] }: Omit<WinogradQuestion, 'isStatic'>,
  side = outputSide,
): boolean {
  return Math.min(inner, outer) >= fewestChannels && Math.min(height!, width!) >= side;
}

/** Whether a convolution has one group and a window of 3x3 neighbouring cells, and this stride. */
export function isPlain({ groups, window, stride, dilation }: Conv2dAttributes, step = 1): boolean {
  const is = ({ height, width }: Size2d, side: number): boolean => height === side && width === side;
  return groups === 1 && is(window, windowSide) && is(stride, step) && is(dilation, 1);
}
