import { apply, input, ShapeError, ShoalError, type Shape, type Value } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  conv2dGradientInput,
  conv2dGradientWeight,
  conv2dOp,
  convTranspose2d,
  depthwiseConv2d,
  type Conv2dAttributes,
} from './index.ts';

const x = (...shape: Shape): Value => input('x', shape);
const w = (...shape: Shape): Value => input('w', shape);

const thrownBy = (build: () => unknown): ShoalError => {
  try {
    build();
  } catch (error) {
    if (error instanceof ShoalError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

const rejects = (name: string, build: () => unknown, code: ShoalError['code'], message: string): void =>
  test(name, () => {
    const error = thrownBy(build);
    expect(error.message).toBe(message);
    expect(error.code).toBe(code);
    expect(error instanceof ShapeError).toBe(code === 'SHAPE');
  });

describe('conv2d', () => {
  rejects(
    'groups that do not divide the input channels',
    () => conv2d(x(2, 5, 7, 4), w(3, 3, 1, 6), { groups: 3 }),
    'SHAPE',
    'conv/conv2d: 3 groups do not divide 4 input channels. Use a number of groups that divides both.',
  );
  rejects(
    'groups that do not divide the output channels',
    () => conv2d(x(2, 5, 7, 6), w(3, 3, 2, 4), { groups: 3 }),
    'SHAPE',
    'conv/conv2d: 3 groups do not divide 4 output channels. Use a number of groups that divides both.',
  );
  rejects(
    'no groups',
    () => conv2d(x(2, 5, 7, 4), w(3, 3, 4, 6), { groups: 0 }),
    'SHAPE',
    'conv/conv2d: groups 0 is not a positive integer. Give at least 1 group.',
  );
  rejects(
    'half a group',
    () => conv2d(x(2, 5, 7, 4), w(3, 3, 4, 6), { groups: 1.5 }),
    'SHAPE',
    'conv/conv2d: groups 1.5 is not a positive integer. Give at least 1 group.',
  );
  rejects(
    'a weight for other channels',
    () => conv2d(x(2, 5, 7, 6), w(3, 3, 4, 8)),
    'SHAPE',
    'conv/conv2d: weight [3,3,4,8] reads 4 channels per group, the input [2,5,7,6] has 6 (6 in 1 group). Make weight axis 2 the input channels divided by the groups.',
  );
  rejects(
    'a weight that forgets the groups',
    () => conv2d(x(2, 5, 7, 6), w(3, 3, 6, 8), { groups: 2 }),
    'SHAPE',
    'conv/conv2d: weight [3,3,6,8] reads 6 channels per group, the input [2,5,7,6] has 3 (6 in 2 groups). Make weight axis 2 the input channels divided by the groups.',
  );
  rejects(
    'stride 0',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { stride: 0 }),
    'SHAPE',
    'conv/conv2d: stride 0 is not a positive integer. Give a stride of at least 1.',
  );
  rejects(
    'stride -1 along one axis',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { stride: { height: 1, width: -1 } }),
    'SHAPE',
    'conv/conv2d: stride -1 is not a positive integer. Give a stride of at least 1.',
  );
  rejects(
    'infinite stride',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { stride: Infinity }),
    'SHAPE',
    'conv/conv2d: stride Infinity is not a positive integer. Give a stride of at least 1.',
  );
  rejects(
    'dilation 0',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { dilation: 0 }),
    'SHAPE',
    'conv/conv2d: dilation 0 is not a positive integer. Give a dilation of at least 1.',
  );
  rejects(
    'an empty window',
    () => conv2d(x(2, 5, 7, 3), w(0, 3, 3, 4)),
    'SHAPE',
    'conv/conv2d: window 0 is not a positive integer. Give a window of at least 1.',
  );
  rejects(
    'a window above the input',
    () => conv2d(x(2, 5, 2, 3), w(3, 3, 3, 4)),
    'SHAPE',
    'conv/conv2d: window 3x3 is larger than the padded input 5x2. Use a smaller window, or pad.',
  );
  rejects(
    'a dilated window above the padded input',
    () => conv2d(x(2, 5, 3, 3), w(3, 3, 3, 4), { dilation: 3, padding: { top: 1, left: 1, right: 1 } }),
    'SHAPE',
    'conv/conv2d: window 3x3 (dilated to 7x7) is larger than the padded input 6x5. Use a smaller window, or pad.',
  );
  rejects(
    'negative padding',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { padding: { left: -1 } }),
    'SHAPE',
    'conv/conv2d: padding -1 is not a non-negative integer. Slice the input to remove cells.',
  );
  rejects(
    'reflect padding as large as the input',
    () => conv2d(x(2, 5, 3, 3), w(3, 3, 3, 4), { padding: { left: 3 }, paddingMode: 'reflect' }),
    'SHAPE',
    'core/pad: reflect padding 3, 0 of an axis of size 3. Pad by at most 2.',
  );
  rejects(
    'an image without batch',
    () => conv2d(x(5, 7, 3), w(3, 3, 3, 4)),
    'SHAPE',
    'conv/conv2d: expected [n,h,w,c], got [5,7,3]. Reshape to four axes, channels last.',
  );
  rejects(
    'a weight of rank 2',
    () => conv2d(x(2, 5, 7, 3), w(3, 4)),
    'SHAPE',
    'conv/conv2d: expected weight [kh,kw,in/groups,out], got [3,4]. Give four axes, height and width first.',
  );
  rejects(
    'a bias of another size',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { bias: input('b', [3]) }),
    'SHAPE',
    'conv/conv2d: bias is [3] where [4] is needed. Give it that shape.',
  );
  rejects(
    'integer input',
    () => conv2d(input('x', [2, 5, 7, 3], 'i32'), w(3, 3, 3, 4)),
    'DTYPE',
    "conv/conv2d: x is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'integer weight',
    () => conv2d(x(2, 5, 7, 3), input('w', [3, 3, 3, 4], 'u32')),
    'DTYPE',
    "conv/conv2d: weight is u32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'integer bias',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { bias: input('b', [4], 'i32') }),
    'DTYPE',
    "conv/conv2d: bias is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'an unknown option',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), Object.assign({ stride: 1 }, { strides: 2 })),
    'ATTRIBUTE',
    'conv/conv2d: unknown option strides. Known options: bias, stride, dilation, padding, paddingMode, groups.',
  );
  rejects(
    'an unknown padding mode',
    () => conv2d(x(2, 5, 7, 3), w(3, 3, 3, 4), { paddingMode: 'mirror' as 'reflect' }),
    'ATTRIBUTE',
    "conv/conv2d: unknown paddingMode 'mirror'. Use zero, reflect or circular.",
  );
});

describe('the ops', () => {
  const attributes: Conv2dAttributes = {
    window: { height: 3, width: 2 },
    stride: { height: 2, width: 2 },
    dilation: { height: 1, width: 1 },
    padding: { top: 0, bottom: 0, left: 0, right: 0 },
    groups: 1,
  };
  rejects('one input', () => apply(conv2dOp, [x(2, 5, 7, 3)], attributes), 'GRAPH', 'conv/conv2d: got 1 inputs where 2 to 3 are needed.');
  rejects(
    "a window that is not the weight's",
    () => apply(conv2dOp, [x(2, 5, 7, 3), w(3, 3, 3, 4)], attributes),
    'SHAPE',
    'conv/conv2d: window 3x2 is not that of the weight, 3x3. Take the window from the weight.',
  );
  rejects(
    'an upstream gradient of another shape, to the input',
    () => apply(conv2dGradientInput, [input('dy', [2, 2, 2, 4]), w(3, 2, 3, 4)], { ...attributes, inputShape: [2, 5, 7, 3] }),
    'SHAPE',
    'conv/conv2d-gradient-input: dy is [2,2,2,4] where [2,2,3,4] is needed. Give it that shape.',
  );
  rejects(
    'an upstream gradient of another shape, to the weight',
    () => apply(conv2dGradientWeight, [x(2, 5, 7, 3), input('dy', [2, 2, 3, 5])], { ...attributes, weightShape: [3, 2, 3, 4] }),
    'SHAPE',
    'conv/conv2d-gradient-weight: dy is [2,2,3,5] where [2,2,3,4] is needed. Give it that shape.',
  );
});

describe('depthwiseConv2d', () => {
  rejects(
    'a weight for other channels',
    () => depthwiseConv2d(x(2, 5, 7, 3), w(3, 3, 4, 2)),
    'SHAPE',
    'conv/depthwise-conv2d: weight [3,3,4,2] is for 4 channels, the input [2,5,7,3] has 3. Make weight axis 2 the channels of the input.',
  );
  rejects(
    'a weight of rank 3',
    () => depthwiseConv2d(x(2, 5, 7, 3), w(3, 3, 3)),
    'SHAPE',
    'conv/depthwise-conv2d: expected weight [kh,kw,channels,multiplier], got [3,3,3]. Give four axes, height and width first.',
  );
  rejects(
    'groups',
    () => depthwiseConv2d(x(2, 5, 7, 3), w(3, 3, 3, 2), Object.assign({ stride: 1 }, { groups: 1 })),
    'ATTRIBUTE',
    'conv/depthwise-conv2d: unknown option groups. Known options: bias, stride, dilation, padding, paddingMode.',
  );
});

describe('convTranspose2d', () => {
  rejects(
    'a weight for other channels',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 6)),
    'SHAPE',
    'conv/conv-transpose2d: weight [3,3,4,6] is for 6 input channels, the input [2,5,7,3] has 3. Make weight axis 3 the channels of the input.',
  );
  rejects(
    'groups that do not divide',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), { groups: 2 }),
    'SHAPE',
    'conv/conv-transpose2d: 2 groups do not divide 3 input channels. Use a number of groups that divides both.',
  );
  rejects(
    'stride 0',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), { stride: 0 }),
    'SHAPE',
    'conv/conv-transpose2d: stride 0 is not a positive integer. Give a stride of at least 1.',
  );
  rejects(
    'output padding as large as the stride',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), { stride: 2, outputPadding: { height: 1, width: 2 } }),
    'SHAPE',
    'conv/conv-transpose2d: outputPadding 2 is below neither stride 2 nor dilation 1. Pad the output instead.',
  );
  rejects(
    'negative output padding',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), { stride: 2, outputPadding: -1 }),
    'SHAPE',
    'conv/conv-transpose2d: outputPadding -1 is not a non-negative integer. Give 0 or more.',
  );
  rejects(
    'output padding beside same padding',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), { stride: 2, padding: 'same', outputPadding: 1 }),
    'ATTRIBUTE',
    "conv/conv-transpose2d: outputPadding is given beside padding 'same', which decides the output size. Leave one of them out.",
  );
  rejects(
    'a crop of everything',
    () => convTranspose2d(x(2, 1, 7, 3), w(3, 3, 4, 3), { padding: { top: 2, bottom: 1 } }),
    'SHAPE',
    'conv/conv-transpose2d: padding crops the output to 0x9. Use less padding.',
  );
  rejects(
    'a bias of another size',
    () => convTranspose2d(x(2, 5, 7, 4), w(3, 3, 3, 4), { groups: 2, bias: input('b', [3]) }),
    'SHAPE',
    'conv/conv-transpose2d: bias is [3] where [6] is needed. Give it that shape.',
  );
  rejects(
    'integer input',
    () => convTranspose2d(input('x', [2, 5, 7, 3], 'i32'), w(3, 3, 4, 3)),
    'DTYPE',
    "conv/conv-transpose2d: x is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'an image without batch',
    () => convTranspose2d(x(5, 7, 3), w(3, 3, 4, 3)),
    'SHAPE',
    'conv/conv-transpose2d: expected [n,h,w,c], got [5,7,3]. Reshape to four axes, channels last.',
  );
  rejects(
    'an unknown option',
    () => convTranspose2d(x(2, 5, 7, 3), w(3, 3, 4, 3), Object.assign({ stride: 1 }, { paddingMode: 'zero' })),
    'ATTRIBUTE',
    'conv/conv-transpose2d: unknown option paddingMode. Known options: bias, stride, dilation, padding, outputPadding, groups.',
  );
});
