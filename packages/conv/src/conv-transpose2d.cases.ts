import type { Case, CaseTable, Shape } from '@shoal/core';
import { convTranspose2d, type ConvTranspose2dOptions } from './conv-transpose2d.ts';

type Options = Omit<ConvTranspose2dOptions, 'bias'>;
type Literal = readonly [shape: Shape, data: readonly number[]];

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const row = (...data: readonly number[]): Literal => [[1, 1, data.length, 1], data];

const literal = (name: string, x: Literal, weight: Literal, options: Options, expect: readonly number[]): Case => ({
  name,
  inputs: [x, weight].map(([shape, data]) => ({ shape, data })),
  build: (input, kernel) => convTranspose2d(input, kernel, options),
  expect: [expect],
  secondOrder: true,
});

const swept = (name: string, x: Shape, weight: Shape, options: Options = {}, secondOrder = true): Case => ({
  name,
  inputs: [{ shape: x }, { shape: weight }, { shape: [weight[2]! * (options.groups ?? 1)] }],
  build: (input, kernel, bias) => convTranspose2d(input, kernel, { ...options, bias }),
  secondOrder,
});

export const convTranspose2dCases: CaseTable = {
  name: 'convTranspose2d',
  op: null,
  cases: [
    literal('2x2/2 side by side', row(1, 2), [[2, 2, 1, 1], range(4)], { stride: 2 }, [1, 2, 2, 4, 3, 4, 6, 8]),
    literal(
      'overlapping',
      row(1, 10, 100),
      [
        [1, 2, 1, 1],
        [1, 2],
      ],
      {},
      [1, 12, 120, 200],
    ),
    literal(
      'padding crops the left',
      row(1, 10, 100),
      [
        [1, 2, 1, 1],
        [1, 2],
      ],
      { padding: { left: 1 } },
      [12, 120, 200],
    ),
    literal(
      'padding crops the right',
      row(1, 10, 100),
      [
        [1, 2, 1, 1],
        [1, 2],
      ],
      { padding: { right: 1 } },
      [1, 12, 120],
    ),
    literal(
      'padding crops the top of a column',
      [
        [1, 3, 1, 1],
        [1, 10, 100],
      ],
      [
        [2, 1, 1, 1],
        [1, 2],
      ],
      { padding: { top: 1 } },
      [12, 120, 200],
    ),
    literal(
      '2 channels to 3',
      [
        [1, 1, 1, 2],
        [1, 10],
      ],
      [[1, 1, 3, 2], range(6)],
      {},
      [21, 43, 65],
    ),
    literal(
      '2 groups, 4 channels to 6',
      [[1, 1, 1, 4], range(4)],
      [
        [1, 1, 3, 4],
        [1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400],
      ],
      { groups: 2 },
      [5, 50, 500, 25, 250, 2500],
    ),
    literal(
      'dilation 2',
      row(2, 20),
      [
        [1, 2, 1, 1],
        [3, 5],
      ],
      { dilation: { height: 1, width: 2 } },
      [6, 60, 10, 100],
    ),
    literal(
      'output padding as large as the stride',
      row(2),
      [
        [1, 2, 1, 1],
        [3, 5],
      ],
      { dilation: 2, outputPadding: { height: 0, width: 1 } },
      [6, 0, 10, 0],
    ),
    literal(
      'output padding as large as the stride, cropped again',
      row(2),
      [
        [1, 2, 1, 1],
        [3, 5],
      ],
      { dilation: 2, outputPadding: { height: 1, width: 1 }, padding: { right: 1 } },
      [6, 0, 10, 0, 0, 0],
    ),
    literal(
      'same padding crops the odd cell at the end',
      row(1, 10),
      [[1, 3, 1, 1], range(3)],
      { stride: { height: 1, width: 2 }, padding: 'same' },
      [1, 2, 13, 20],
    ),
    literal(
      'same-lower padding crops the odd cell at the start',
      row(1, 10),
      [[1, 3, 1, 1], range(3)],
      { stride: { height: 1, width: 2 }, padding: 'same-lower' },
      [2, 13, 20, 30],
    ),
    literal(
      'same padding with a stride above the window',
      row(1, 10),
      [[1, 1, 1, 1], [3]],
      { stride: { height: 1, width: 2 }, padding: 'same' },
      [3, 0, 30, 0],
    ),
    {
      name: 'output padding holds the bias',
      inputs: [
        { shape: [1, 1, 2, 1], data: [1, 2] },
        { shape: [1, 1, 2, 1], data: [3, 4] },
        { shape: [2], data: [10, 20] },
      ],
      build: (x, weight, bias) =>
        convTranspose2d(x, weight, { bias, stride: { height: 1, width: 2 }, outputPadding: { height: 0, width: 1 } }),
      expect: [[13, 24, 10, 20, 16, 28, 10, 20]],
      secondOrder: true,
    },
    swept('3x3/2, padding 1, output padding 1', [2, 3, 4, 3], [3, 3, 2, 3], { stride: 2, padding: 1, outputPadding: 1 }),
    swept('4x4/2, padding 1', [1, 3, 2, 3], [4, 4, 2, 3], { stride: 2, padding: 1 }),
    swept('3 groups, stride 2x3, dilation 2x1, every edge cropped otherwise', [2, 3, 2, 6], [2, 4, 3, 6], {
      groups: 3,
      stride: { height: 2, width: 3 },
      dilation: { height: 2, width: 1 },
      padding: { top: 0, bottom: 1, left: 2, right: 3 },
      outputPadding: { height: 1, width: 2 },
    }),
    swept('5 channels to 7', [2, 3, 2, 5], [2, 3, 7, 5], { stride: 2 }, false),
    swept('depthwise, 6 channels', [1, 3, 4, 6], [3, 3, 1, 6], { groups: 6, stride: 2, padding: 1 }),
  ],
};
