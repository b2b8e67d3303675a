import { conv2d, convTranspose2d, depthwiseConv2d } from '@shoal/conv';
import {
  cast,
  concat,
  constant,
  fill,
  gradients,
  input,
  pad,
  reduce,
  reshape,
  slice,
  transpose,
  variable,
  type Dtype,
  type Shape,
  type Value,
} from '@shoal/core';
import { add, divide, dropout, matmul, sgd, softmax, softmaxCrossEntropy } from '@shoal/math';
import {
  adaptiveAveragePool2d,
  averagePool2d,
  depthToSpace,
  lpPool2d,
  maxPool2d,
  maxPool2dWithWinner,
  maxUnpool2d,
  spaceToDepth,
} from '@shoal/pool';
import { batchNorm, channelGroupSum, groupNorm, upsampleBilinear, upsampleNearest } from '@shoal/residual';
import { describe } from 'vitest';
import { rejects, untyped } from './rejects.ts';

// What a user may get wrong while building a graph: each is a typed error then and there, before there is anything to run.

const tensor = (...shape: Shape): Value => input('t', shape);
const whole = (...shape: Shape): Value => input('i', shape, 'i32');
const x = tensor(2, 5, 7, 4);
const w = tensor(3, 3, 4, 6);
const state = (c: number) => ({ gamma: tensor(c), beta: tensor(c), mean: variable('mean', [c]), variance: variable('variance', [c]) });

describe('mismatched shapes', () => {
  rejects(
    'elementwise',
    () => add(x, tensor(3)),
    'SHAPE',
    'core/map: shapes [2,5,7,4], [3] do not broadcast. Make sizes equal or 1, aligned at the last axis.',
  );
  rejects(
    'matmul',
    () => matmul(tensor(2, 3), tensor(4, 5)),
    'SHAPE',
    'math/matmul: inner sizes 3 and 4 differ: [2,3] times [4,5]. Make them equal, or transpose one side.',
  );
  rejects(
    'matmul bias',
    () => matmul(tensor(2, 3), tensor(3, 5), { bias: tensor(4) }),
    'SHAPE',
    'math/matmul: shapes [2,5], [4] do not broadcast. Make sizes equal or 1, aligned at the last axis.',
  );
  rejects(
    'rank',
    () => conv2d(tensor(5, 7, 4), w),
    'SHAPE',
    'conv/conv2d: expected [n,h,w,c], got [5,7,4]. Reshape to four axes, channels last.',
  );
  rejects(
    'channels',
    () => conv2d(tensor(2, 5, 7, 3), w),
    'SHAPE',
    'conv/conv2d: weight [3,3,4,6] reads 4 channels per group, the input [2,5,7,3] has 3 (3 in 1 group). Make weight axis 2 the input channels divided by the groups.',
  );
  rejects(
    'convolution bias',
    () => conv2d(x, w, { bias: tensor(4) }),
    'SHAPE',
    'conv/conv2d: bias is [4] where [6] is needed. Give it that shape.',
  );
  rejects(
    'depthwise channels',
    () => depthwiseConv2d(x, tensor(3, 3, 5, 2)),
    'SHAPE',
    'conv/depthwise-conv2d: weight [3,3,5,2] is for 5 channels, the input [2,5,7,4] has 4. Make weight axis 2 the channels of the input.',
  );
  rejects(
    'transposed channels',
    () => convTranspose2d(x, tensor(3, 3, 6, 5)),
    'SHAPE',
    'conv/conv-transpose2d: weight [3,3,6,5] is for 5 input channels, the input [2,5,7,4] has 4. Make weight axis 3 the channels of the input.',
  );
  rejects(
    'winners',
    () => maxUnpool2d(x, whole(2, 5, 7, 1), { output: 9 }),
    'SHAPE',
    'pool/max-unpool: winner is [2,5,7,1] where [2,5,7,4] is needed. Give it that shape.',
  );
  rejects(
    'batch norm',
    () => batchNorm(x, state(3), { train: true }),
    'SHAPE',
    'residual/batch-norm: gamma is [3] for 4 channels. Give it shape [4].',
  );
  rejects(
    'labels',
    () => softmaxCrossEntropy(tensor(2, 10), whole(3)),
    'SHAPE',
    'math/softmax-cross-entropy: index target [3] does not fit logits [2,10]. Give i32 [2].',
  );
  rejects(
    'concatenation',
    () => concat([x, tensor(2, 5, 6, 4)], 3),
    'SHAPE',
    'core/concat: [2,5,7,4] and [2,5,6,4] differ beyond axis 3. Make all other sizes equal.',
  );
  rejects(
    'reshape',
    () => reshape(x, [2, 5]),
    'SHAPE',
    'core/reshape: [2,5,7,4] has 280 elements, [2,5] has 10. Keep the number of elements.',
  );
  rejects(
    'transpose',
    () => transpose(tensor(2, 3), [0, 2]),
    'SHAPE',
    'core/transpose: [0,2] is not a permutation of the axes of [2,3]. Give each of 0 to 1 once.',
  );
  rejects(
    'slice',
    () => slice(tensor(2, 3), { start: [0, 1], size: [2, 3] }),
    'SHAPE',
    'core/slice: start [0,1], size [2,3], stride [1,1] is not inside [2,3]. Keep start + (size - 1) * stride below each size.',
  );
  rejects(
    'space to depth',
    () => spaceToDepth(x, { block: 2 }),
    'SHAPE',
    'pool/space-to-depth: 2 does not divide the height of [2,5,7,4]. Pad, slice, or use another block.',
  );
  rejects('constant', () => constant([1, 2, 3], [2]), 'SHAPE', 'constant: 3 numbers do not fill shape [2]. Give 2.');
  rejects(
    'loss',
    () => gradients(x, [w]),
    'SHAPE',
    'gradients: the loss is f32 [2,5,7,4], not one f32 number. Reduce it first, or pass a seed.',
  );
  rejects(
    'optimizer',
    () => sgd({ parameters: [variable('p', [2])], gradients: [tensor(3)], learningRate: 0.1 }),
    'SHAPE',
    "math/sgd: gradient [3] does not fit parameter 'p' [2]. Pass what gradients(loss, parameters) returns.",
  );
});

describe('zero or negative windows, strides, dilations', () => {
  for (const n of [0, -2]) {
    const message = (op: string, what: string): string => `${op}: ${what} ${n} is not a positive integer. Give a ${what} of at least 1.`;
    rejects(`window ${n}`, () => maxPool2d(x, { window: n }), 'SHAPE', message('pool/max', 'window'));
    rejects(
      `window ${n}, one axis`,
      () => averagePool2d(x, { window: { height: 2, width: n } }),
      'SHAPE',
      message('pool/average', 'window'),
    );
    rejects(`pooling stride ${n}`, () => lpPool2d(x, { p: 2, window: 2, stride: n }), 'SHAPE', message('pool/lp', 'stride'));
    rejects(`pooling dilation ${n}`, () => maxPool2d(x, { window: 2, dilation: n }), 'SHAPE', message('pool/max', 'dilation'));
    rejects(`convolution stride ${n}`, () => conv2d(x, w, { stride: n }), 'SHAPE', message('conv/conv2d', 'stride'));
    rejects(`convolution dilation ${n}`, () => conv2d(x, w, { dilation: n }), 'SHAPE', message('conv/conv2d', 'dilation'));
    rejects(
      `transposed stride ${n}`,
      () => convTranspose2d(x, tensor(3, 3, 6, 4), { stride: n }),
      'SHAPE',
      message('conv/conv-transpose2d', 'stride'),
    );
    rejects(`block ${n}`, () => depthToSpace(x, { block: n }), 'SHAPE', message('pool/depth-to-space', 'block'));
    rejects(`scale ${n}`, () => upsampleNearest(x, { scale: n }), 'SHAPE', message('residual/upsample-nearest', 'scale'));
  }
  rejects(
    'a weight without window',
    () => conv2d(x, tensor(0, 3, 4, 6)),
    'SHAPE',
    'conv/conv2d: window 0 is not a positive integer. Give a window of at least 1.',
  );
  rejects(
    'negative padding',
    () => maxPool2d(x, { window: 2, padding: -1 }),
    'SHAPE',
    'pool/max: padding -1 is not a non-negative integer. Slice the input to remove cells.',
  );
});

describe('padding as large as the window', () => {
  for (const [op, pool] of [
    ['pool/max', maxPool2d],
    ['pool/average', averagePool2d],
    ['pool/lp', lpPool2d],
  ] as const) {
    rejects(
      op,
      () => pool(x, { window: 2, padding: 2 }),
      'SHAPE',
      `${op}: padding 2 (top) is as large as the window 2. Use less padding: a window of only padding has no value.`,
    );
  }
  rejects(
    'cropped to nothing',
    () => convTranspose2d(x, tensor(3, 3, 6, 4), { padding: 4 }),
    'SHAPE',
    'conv/conv-transpose2d: padding crops the output to -1x1. Use less padding.',
  );
  rejects(
    'reflected beyond the input',
    () => conv2d(x, w, { padding: 5, paddingMode: 'reflect' }),
    'SHAPE',
    'core/pad: reflect padding 5, 5 of an axis of size 5. Pad by at most 4.',
  );
});

describe('a window larger than the padded input', () => {
  rejects(
    'pooling',
    () => maxPool2d(x, { window: 8, padding: 1 }),
    'SHAPE',
    'pool/max: window 8x8 is larger than the padded input 7x9. Use a smaller window, or pad.',
  );
  rejects(
    'dilated pooling',
    () => averagePool2d(x, { window: 3, dilation: 3 }),
    'SHAPE',
    'pool/average: window 3x3 (dilated to 7x7) is larger than the padded input 5x7. Use a smaller window, or pad.',
  );
  rejects(
    'convolution',
    () => conv2d(tensor(2, 2, 7, 4), w),
    'SHAPE',
    'conv/conv2d: window 3x3 is larger than the padded input 2x7. Use a smaller window, or pad.',
  );
  rejects(
    'an empty plane',
    () => maxPool2d(tensor(2, 0, 7, 4), { window: 2 }),
    'SHAPE',
    'pool/max: window 2x2 is larger than the padded input 0x7. Use a smaller window, or pad.',
  );
});

describe('wrong dtypes', () => {
  const images = whole(2, 5, 7, 4);
  rejects('unknown', () => input('x', [2], untyped('f64')), 'DTYPE', "input: unknown dtype 'f64'. Use f32, i32 or u32.");
  rejects('cast to an unknown one', () => cast(x, 'f16' as Dtype), 'DTYPE', "core/map: unknown dtype 'f16'. Use f32, i32 or u32.");
  rejects('convolution', () => conv2d(images, w), 'DTYPE', "conv/conv2d: x is i32 where f32 is needed. Cast it with cast(value, 'f32').");
  rejects(
    'convolution weight',
    () => conv2d(x, whole(3, 3, 4, 6)),
    'DTYPE',
    "conv/conv2d: weight is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'pooling',
    () => maxPool2d(images, { window: 2 }),
    'DTYPE',
    "pool/max: x is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'winners',
    () => maxUnpool2d(x, x, { output: 9 }),
    'DTYPE',
    "pool/max-unpool: winner is f32 where i32 is needed. Cast it with cast(value, 'i32').",
  );
  rejects(
    'matmul',
    () => matmul(tensor(2, 3), whole(3, 5)),
    'DTYPE',
    "math/matmul: b is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects(
    'labels',
    () => softmaxCrossEntropy(tensor(2, 10), input('u', [2], 'u32')),
    'DTYPE',
    "math/softmax-cross-entropy: target is u32 where i32 is needed. Cast it with cast(value, 'i32').",
  );
  rejects(
    'batch norm',
    () => batchNorm(images, state(4), { train: true }),
    'DTYPE',
    "residual/batch-norm: x is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  );
  rejects('mixed', () => add(x, images), 'DTYPE', 'expression/add: f32 and i32 do not mix. Cast one side.');
  rejects('integer division', () => divide(images, 2), 'DTYPE', "expression/div: needs f32, got i32. Cast with cast(x, 'f32').");
  rejects('integer softmax', () => softmax(images), 'DTYPE', 'core/reduce: max needs f32, got i32. Cast it first.');
  rejects(
    'the step of dropout',
    () => dropout(x, { rate: 0.5, step: tensor(), stream: 0 }),
    'DTYPE',
    "core/random: the step counter is f32 where u32 is needed. Cast it with cast(value, 'u32').",
  );
  rejects('joined', () => concat([x, images], 3), 'DTYPE', 'core/concat: f32 and i32 do not mix. Cast one of them.');
  rejects(
    'gradient to labels',
    () => gradients(reduce(x, { kind: 'sum' }), [images]),
    'GRADIENT',
    'gradients: a value of dtype i32 has no gradient. Differentiate to f32 values.',
  );
});

describe('groups that do not divide', () => {
  rejects(
    'input channels',
    () => conv2d(x, tensor(3, 3, 1, 6), { groups: 3 }),
    'SHAPE',
    'conv/conv2d: 3 groups do not divide 4 input channels. Use a number of groups that divides both.',
  );
  rejects(
    'output channels',
    () => conv2d(x, w, { groups: 4 }),
    'SHAPE',
    'conv/conv2d: 4 groups do not divide 6 output channels. Use a number of groups that divides both.',
  );
  rejects(
    'transposed',
    () => convTranspose2d(x, tensor(3, 3, 2, 4), { groups: 3 }),
    'SHAPE',
    'conv/conv-transpose2d: 3 groups do not divide 4 input channels. Use a number of groups that divides both.',
  );
  rejects('none', () => conv2d(x, w, { groups: 0 }), 'SHAPE', 'conv/conv2d: groups 0 is not a positive integer. Give at least 1 group.');
  rejects(
    'group norm',
    () => groupNorm(x, { gamma: tensor(4), beta: tensor(4) }, { groups: 3 }),
    'SHAPE',
    'residual/group-norm: 3 groups do not divide 4 channels. Use a divisor.',
  );
  rejects(
    'channel-group sum',
    () => channelGroupSum(x, { groups: 3 }),
    'SHAPE',
    'residual/channel-group-sum: 3 groups do not divide 4 channels. Use a divisor.',
  );
});

describe('non-finite sizes', () => {
  for (const n of [NaN, Infinity]) {
    const size = (op: string, shape: string): string =>
      `${op}: size ${n} in shape ${shape} is not a non-negative integer. Give whole, finite sizes.`;
    const positive = (op: string, what: string): string => `${op}: ${what} ${n} is not a positive integer. Give a ${what} of at least 1.`;
    rejects(`input ${n}`, () => input('x', [2, n]), 'SHAPE', size('input', `[2,${n}]`));
    rejects(`variable ${n}`, () => variable('w', [n]), 'SHAPE', size('variable w', `[${n}]`));
    rejects(`fill ${n}`, () => fill(1, [n]), 'SHAPE', size('core/fill', `[${n}]`));
    rejects(`reshape ${n}`, () => reshape(x, [n, 4]), 'SHAPE', size('core/reshape', `[${n},4]`));
    rejects(
      `pad ${n}`,
      () => pad(tensor(3), { before: [n], after: [0] }),
      'SHAPE',
      `core/pad: before [${n}], after [0], interior [0] do not fit [3]. Give one non-negative integer per axis.`,
    );
    rejects(
      `reflecting pad ${n}`,
      () => pad(tensor(3), { before: [n], after: [0], mode: 'reflect' }),
      'SHAPE',
      `core/pad: before [${n}], after [0] do not fit [3]. Give one non-negative integer per axis.`,
    );
    rejects(`window ${n}`, () => maxPool2d(x, { window: n }), 'SHAPE', positive('pool/max', 'window'));
    rejects(`stride ${n}`, () => conv2d(x, w, { stride: n }), 'SHAPE', positive('conv/conv2d', 'stride'));
    rejects(
      `padding ${n}`,
      () => conv2d(x, w, { padding: n }),
      'SHAPE',
      `conv/conv2d: padding ${n} is not a non-negative integer. Slice the input to remove cells.`,
    );
    rejects(
      `groups ${n}`,
      () => conv2d(x, w, { groups: n }),
      'SHAPE',
      `conv/conv2d: groups ${n} is not a positive integer. Give at least 1 group.`,
    );
    rejects(
      `adaptive output ${n}`,
      () => adaptiveAveragePool2d(x, { output: n }),
      'SHAPE',
      `pool/adaptive-average: output ${n} is not a positive integer. Give a output of at least 1.`,
    );
    rejects(`upsampled size ${n}`, () => upsampleBilinear(x, { output: n }), 'SHAPE', positive('residual/upsample-bilinear', 'size'));
    rejects(
      `learning rate ${n}`,
      () => sgd({ parameters: [], gradients: [], learningRate: n }),
      'ATTRIBUTE',
      `math/sgd: learning rate ${n} is outside [0, infinity). Give a learning rate in that range.`,
    );
  }
  rejects(
    'half a cell',
    () => input('x', [1.5]),
    'SHAPE',
    'input: size 1.5 in shape [1.5] is not a non-negative integer. Give whole, finite sizes.',
  );
  rejects(
    'more elements than numbers can count',
    () => input('x', [2 ** 30, 2 ** 30]),
    'SHAPE',
    'input: shape [1073741824,1073741824] has more elements than a number can count. Use smaller sizes.',
  );
  rejects(
    'an output beyond counting',
    () => conv2d(x, w, { padding: 1e9 }),
    'SHAPE',
    'conv/conv2d: shape [2,2000000003,2000000005,6] has more elements than a number can count. Use smaller sizes.',
  );
});

describe('unknown options', () => {
  rejects(
    'of an op',
    () => maxPool2d(x, untyped({ size: 2 })),
    'ATTRIBUTE',
    'pool/max: unknown option size. Known options: window, stride, dilation, padding, ceilMode.',
  );
  rejects(
    'of a padding',
    () => conv2d(x, w, { padding: untyped({ up: 1 }) }),
    'ATTRIBUTE',
    'conv/conv2d: unknown option up. Known options: top, bottom, left, right.',
  );
  rejects(
    'a padding of another library',
    () => conv2d(x, w, { padding: untyped('SAME') }),
    'ATTRIBUTE',
    "conv/conv2d: unknown padding 'SAME'. Use a number, 'valid', 'same', 'same-lower' or { top, bottom, left, right }.",
  );
  rejects('a reduction', () => reduce(x, { kind: untyped('mean') }), 'ATTRIBUTE', "core/reduce: unknown kind 'mean'. Use sum, max or min.");
  rejects(
    'no window',
    () => maxPool2dWithWinner(x, untyped({})),
    'SHAPE',
    'pool/max: window undefined is not a positive integer. Give a window of at least 1.',
  );
});
