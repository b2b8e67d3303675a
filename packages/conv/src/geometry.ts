import {
  checkDtype,
  formatShape,
  nhwc,
  sameShape,
  ShapeError,
  windowedSize,
  type Shape,
  type Size2d,
  type TensorType,
  type Window2d,
} from '@shoal/core';

/** What every convolution op carries. `window` repeats the weight's height and width, so that kernels read all sizes from here. */
export interface Conv2dAttributes extends Window2d {
  /** Output channel `o`, in group `g = floor(o / (out / groups))`, reads `in / groups` input channels from `g * in / groups` on. */
  readonly groups: number;
}

/** All sizes of one convolution, seen from the forward pass; its two gradients go over the same ones. */
export interface Conv2dGeometry {
  readonly batch: number;
  readonly input: Size2d;
  readonly channels: number;
  readonly output: Size2d;
  readonly outputChannels: number;
  readonly groups: number;
  readonly channelsPerGroup: number;
  readonly outputChannelsPerGroup: number;
}

/** `[kh, kw, in / groups, out]`, the one layout of convolution weights. */
export type WeightShape = readonly [height: number, width: number, channelsPerGroup: number, outputChannels: number];

/** Checks that a weight has four axes and takes it apart; `axes` names them for the error. */
export function weightAxes(op: string, shape: Shape, axes = '[kh,kw,in/groups,out]'): WeightShape {
  const [height, width, third, fourth] = shape;
  if (shape.length !== 4) {
    throw new ShapeError({
      op,
      fact: `expected weight ${axes}, got ${formatShape(shape)}`,
      next: 'Give four axes, height and width first',
    });
  }
  return [height!, width!, third!, fourth!];
}

/**
 * The sizes of the convolution of `inputShape` [n, h, w, c] with `weightShape` [kh, kw, c / groups, out].
 *
 * @throws ShapeError when a rank is not 4, the groups do not divide, the weight reads another number of channels than the input
 *   has, a window, stride or dilation is not positive, or the dilated window is larger than the padded input
 */
export function conv2dGeometry(op: string, inputShape: Shape, weightShape: Shape, attributes: Conv2dAttributes): Conv2dGeometry {
  const { groups, window } = attributes;
  const [batch, height, width, channels] = nhwc(op, inputShape);
  const [kernelHeight, kernelWidth, channelsPerGroup, outputChannels] = weightAxes(op, weightShape);
  checkGroups(op, groups, channels, outputChannels);
  if (channelsPerGroup * groups !== channels) {
    const has = `the input ${formatShape(inputShape)} has ${channels / groups} (${channels} in ${groups} ${groups === 1 ? 'group' : 'groups'})`;
    throw new ShapeError({
      op,
      fact: `weight ${formatShape(weightShape)} reads ${channelsPerGroup} channels per group, ${has}`,
      next: 'Make weight axis 2 the input channels divided by the groups',
    });
  }
  if (window.height !== kernelHeight || window.width !== kernelWidth) {
    throw new ShapeError({
      op,
      fact: `window ${window.height}x${window.width} is not that of the weight, ${kernelHeight}x${kernelWidth}`,
      next: 'Take the window from the weight',
    });
  }
  const input = { height, width };
  const output = windowedSize(op, input, attributes);
  return { batch, input, channels, output, outputChannels, groups, channelsPerGroup, outputChannelsPerGroup: outputChannels / groups };
}

/** @throws ShapeError unless `groups` is a positive integer that divides both numbers of channels */
export function checkGroups(op: string, groups: number, channels: number, outputChannels: number): void {
  if (!Number.isSafeInteger(groups) || groups < 1) {
    throw new ShapeError({ op, fact: `groups ${groups} is not a positive integer`, next: 'Give at least 1 group' });
  }
  for (const [side, count] of Object.entries({ input: channels, output: outputChannels })) {
    if (count % groups !== 0) {
      const fact = `${groups} groups do not divide ${count} ${side} channels`;
      throw new ShapeError({ op, fact, next: 'Use a number of groups that divides both' });
    }
  }
}

/** Shape of the convolution's output: [n, oh, ow, out]. */
export function outputShape({ batch, output, outputChannels }: Conv2dGeometry): Shape {
  return [batch, output.height, output.width, outputChannels];
}

/**
 * Multiply-accumulates of a convolution, `n * oh * ow * kh * kw * (in / groups) * out`: those on padding are counted and the bias is
 * not, as fvcore has it. Each of its two gradients takes as many.
 */
export function conv2dMultiplyAccumulates(
  { batch, output, channelsPerGroup, outputChannels }: Conv2dGeometry,
  { window }: Window2d,
): number {
  return batch * output.height * output.width * window.height * window.width * channelsPerGroup * outputChannels;
}

/** Checks that `value` is f32 and, where given, of this shape. */
export function checkOperand(op: string, name: string, value: TensorType, shape?: Shape): void {
  checkDtype(op, name, value.dtype, 'f32');
  if (shape && !sameShape(value.shape, shape)) {
    throw new ShapeError({
      op,
      fact: `${name} is ${formatShape(value.shape)} where ${formatShape(shape)} is needed`,
      next: 'Give it that shape',
    });
  }
}
