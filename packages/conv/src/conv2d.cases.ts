import type { Case, CaseTable, Shape } from '@shoal/core';
import { conv2d, conv2dOp, type Conv2dOptions } from './conv2d.ts';
import { depthwiseConv2d } from './depthwise-conv2d.ts';

type Options = Omit<Conv2dOptions, 'bias'>;
type Literal = readonly [shape: Shape, data: readonly number[]];

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** A convolution of given numbers with a given result. */
const literal = (name: string, x: Literal, weight: Literal, options: Options, expect: readonly number[]): Case => ({
  name,
  inputs: [x, weight].map(([shape, data]) => ({ shape, data })),
  build: (input, kernel) => conv2d(input, kernel, options),
  expect: [expect],
  secondOrder: true,
});

/** A convolution with bias of generated numbers, for the gradient check and for comparing backends. */
const swept = (name: string, x: Shape, weight: Shape, options: Options = {}, secondOrder = true): Case => ({
  name,
  inputs: [{ shape: x }, { shape: weight }, { shape: [weight[3]!] }],
  build: (input, kernel, bias) => conv2d(input, kernel, { ...options, bias }),
  secondOrder,
});

const literals: readonly Case[] = [
  literal(
    '2x2 over 3x4',
    [[1, 3, 4, 1], range(12)],
    [
      [2, 2, 1, 1],
      [1, 2, 3, 4],
    ],
    {},
    [44, 54, 64, 84, 94, 104],
  ),
  literal(
    'padding top and right',
    [[1, 2, 3, 1], range(6)],
    [
      [2, 2, 1, 1],
      [1, 10, 100, 1000],
    ],
    { padding: { top: 1, right: 2 } },
    [2100, 3200, 300, 0, 5421, 6532, 603, 0],
  ),
  literal(
    'padding bottom and left',
    [[1, 2, 3, 1], range(6)],
    [
      [2, 2, 1, 1],
      [1, 10, 100, 1000],
    ],
    { padding: { bottom: 1, left: 2 } },
    [0, 4010, 5421, 6532, 0, 40, 54, 65],
  ),
  literal(
    'same padding puts the odd cell at the end',
    [[1, 2, 4, 1], range(8)],
    [[3, 3, 1, 1], range(9)],
    { stride: 2, padding: 'same' },
    [106, 79],
  ),
  literal(
    'same-lower padding puts the odd cell at the start',
    [[1, 2, 4, 1], range(8)],
    [[3, 3, 1, 1], range(9)],
    { stride: 2, padding: 'same-lower' },
    [111, 217],
  ),
  literal('dilation 2x1', [[1, 3, 3, 1], range(9)], [[2, 2, 1, 1], range(4)], { dilation: { height: 2, width: 1 } }, [58, 68]),
  literal(
    'stride 2x1, dilation 2x3, padding bottom and left',
    [[1, 5, 4, 1], range(20)],
    [[2, 2, 1, 1], range(4)],
    { stride: { height: 2, width: 1 }, dilation: { height: 2, width: 3 }, padding: { bottom: 1, left: 1 } },
    [50, 84, 98, 164],
  ),
  literal(
    '2 groups, 4 channels to 6',
    [[1, 1, 2, 4], range(8)],
    [
      [1, 1, 2, 6],
      [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60],
    ],
    { groups: 2 },
    [21, 42, 63, 172, 215, 258, 65, 130, 195, 348, 435, 522],
  ),
  literal('1x1, stride 2 skips cells', [[1, 3, 5, 1], range(15)], [[1, 1, 1, 1], [3]], { stride: 2 }, [3, 9, 15, 33, 39, 45]),
  literal(
    'window 1x2, stride 2x3',
    [[1, 3, 6, 1], range(18)],
    [
      [1, 2, 1, 1],
      [1, 100],
    ],
    { stride: { height: 2, width: 3 } },
    [201, 504, 1413, 1716],
  ),
  literal(
    'window larger than the input fits the padded one',
    [
      [1, 1, 2, 1],
      [5, 7],
    ],
    [[3, 3, 1, 1], range(9)],
    { padding: 1 },
    [67, 55],
  ),
  literal(
    'reflect padding',
    [[1, 1, 4, 1], range(4)],
    [
      [1, 3, 1, 1],
      [1, 10, 100],
    ],
    { padding: { left: 2, right: 1 }, paddingMode: 'reflect' },
    [123, 212, 321, 432, 343],
  ),
  literal(
    'circular padding',
    [[1, 1, 4, 1], range(4)],
    [
      [1, 3, 1, 1],
      [1, 10, 100],
    ],
    { padding: { left: 2, right: 1 }, paddingMode: 'circular' },
    [143, 214, 321, 432, 143],
  ),
  {
    name: 'windows of padding alone give the bias',
    inputs: [
      { shape: [1, 1, 1, 1], data: [3] },
      { shape: [1, 1, 1, 2], data: [2, -1] },
      { shape: [2], data: [10, 20] },
    ],
    build: (x, weight, bias) => conv2d(x, weight, { bias, padding: { top: 1, left: 1 } }),
    expect: [[10, 20, 10, 20, 10, 20, 16, 17]],
    secondOrder: true,
  },
  {
    // x[p, c] = (p + 1) (c + 1) and weight[c, o] = c + o, so
    // y[p, o] = (p + 1) (sum of c (c + 1) + o sum of (c + 1)) = (p + 1) (1632 + 153 o).
    name: '1x1, 17 channels to 19',
    inputs: [
      { shape: [2, 1, 2, 17], data: range(68).map((_, i) => (Math.floor(i / 17) + 1) * ((i % 17) + 1)) },
      { shape: [1, 1, 17, 19], data: range(323).map((_, i) => Math.floor(i / 19) + (i % 19)) },
    ],
    build: (x, weight) => conv2d(x, weight),
    expect: [range(76).map((_, i) => (Math.floor(i / 19) + 1) * (1632 + 153 * (i % 19)))],
  },
];

const sweeps: readonly Case[] = [
  swept('3x3, padding 1', [2, 4, 5, 3], [3, 3, 3, 4], { padding: 1 }),
  swept('3x3/2, same padding, even size', [2, 6, 4, 3], [3, 3, 3, 2], { stride: 2, padding: 'same' }),
  swept('3x3/2, same-lower padding, even size', [2, 6, 4, 3], [3, 3, 3, 2], { stride: 2, padding: 'same-lower' }),
  swept('3x2, stride 2x1, dilation 1x2, padding on every edge another', [2, 5, 4, 2], [3, 2, 2, 3], {
    stride: { height: 2, width: 1 },
    dilation: { height: 1, width: 2 },
    padding: { top: 0, bottom: 2, left: 3, right: 1 },
  }),
  swept('3x3, stride 2 and dilation 2', [1, 7, 6, 2], [3, 3, 2, 3], { stride: 2, dilation: 2, padding: 1 }),
  swept('stride 3 above window 2x1', [2, 7, 8, 2], [2, 1, 2, 3], { stride: 3 }),
  swept('1x1/2', [2, 5, 4, 3], [1, 1, 3, 5], { stride: 2 }),
  swept('3 groups of 2 to 3 channels, strided', [2, 5, 4, 6], [2, 3, 2, 9], { groups: 3, stride: 2, padding: 1 }),
  swept('2 groups, stride and dilation', [1, 6, 5, 4], [2, 2, 2, 6], {
    groups: 2,
    stride: { height: 1, width: 2 },
    dilation: { height: 3, width: 2 },
  }),
  swept('7x7/2 on 3 channels', [1, 9, 7, 3], [7, 7, 3, 5], { stride: 2, padding: 3 }, false),
  swept('window as large as the input', [2, 3, 4, 2], [3, 4, 2, 3]),
  swept('5 channels to 7', [2, 4, 3, 5], [3, 3, 5, 7], { padding: 1 }, false),
  swept('13 channels to 18, stride 2', [1, 5, 4, 13], [2, 2, 13, 18], { stride: 2, padding: { bottom: 1 } }, false),
  swept('reflect padding on both axes, strided', [2, 4, 5, 2], [3, 3, 2, 3], {
    padding: { top: 1, bottom: 2, left: 2, right: 0 },
    paddingMode: 'reflect',
    stride: 2,
  }),
  swept('circular padding on both axes, grouped', [1, 4, 3, 4], [3, 2, 2, 4], {
    padding: { top: 2, bottom: 1, left: 0, right: 1 },
    paddingMode: 'circular',
    groups: 2,
  }),
];

export const conv2dCases: CaseTable = { name: 'conv2d', op: conv2dOp, cases: [...literals, ...sweeps] };

export const depthwiseConv2dCases: CaseTable = {
  name: 'depthwiseConv2d',
  op: conv2dOp,
  cases: [
    {
      name: '1x2, multiplier 2',
      inputs: [
        { shape: [1, 1, 2, 3], data: range(6) },
        { shape: [1, 2, 3, 2], data: range(12) },
      ],
      build: (x, weight) => depthwiseConv2d(x, weight),
      expect: [[29, 34, 51, 58, 81, 90]],
      secondOrder: true,
    },
    {
      name: '3x3/2, 5 channels, padding bottom and left, bias',
      inputs: [{ shape: [2, 5, 4, 5] }, { shape: [3, 3, 5, 1] }, { shape: [5] }],
      build: (x, weight, bias) => depthwiseConv2d(x, weight, { bias, stride: 2, padding: { bottom: 1, left: 1 } }),
      secondOrder: true,
    },
    {
      name: '2x3, multiplier 2, dilation 2, stride 2',
      inputs: [{ shape: [1, 5, 7, 3] }, { shape: [2, 3, 3, 2] }],
      build: (x, weight) => depthwiseConv2d(x, weight, { dilation: 2, stride: { height: 1, width: 2 } }),
      secondOrder: true,
    },
    {
      name: '3x3, 19 channels',
      inputs: [{ shape: [1, 4, 3, 19] }, { shape: [3, 3, 19, 1] }],
      build: (x, weight) => depthwiseConv2d(x, weight, { padding: 1 }),
    },
  ],
};
