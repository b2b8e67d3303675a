import { apply1, type CaseTable, type Value } from '@shoal/core';
import { maxPool, maxPool2d, maxPool2dWithWinner, maxPoolGather, maxPoolGradient } from './max-pool.ts';
import { resolvePool, type PoolGradientAttributes, type PoolOptions } from './window.ts';

const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const max =
  (options: PoolOptions) =>
  (x: Value): Value =>
    maxPool2d(x, options);
const both =
  (options: PoolOptions) =>
  (x: Value): readonly Value[] => {
    const { output, winner } = maxPool2dWithWinner(x, options);
    return [output, winner];
  };
const pair = { height: 1, width: 2 };
const column = { height: 2, width: 1 };

export const maxPoolCases: CaseTable = {
  name: 'pool/max',
  op: maxPool,
  cases: [
    {
      name: '2x2 windows side by side',
      inputs: [{ shape: [1, 4, 4, 1], data: ramp(16) }],
      build: both({ window: 2 }),
      expect: [
        [5, 7, 13, 15],
        [5, 7, 13, 15],
      ],
    },
    {
      name: 'each image and channel for itself',
      inputs: [{ shape: [2, 2, 2, 3], data: [1, 8, 3, 4, 5, 6, 7, 2, 9, 0, 11, -1, -1, -8, -3, -4, -5, -6, -7, -2, -9, -10, -11, -12] }],
      build: both({ window: 2 }),
      expect: [
        [7, 11, 9, -1, -2, -3],
        [2, 3, 2, 0, 2, 0],
      ],
    },
    {
      name: 'height, width, batch and channels all different',
      inputs: [{ shape: [2, 4, 6, 3] }],
      build: max({ window: 2 }),
      secondOrder: true,
    },
    {
      name: 'overlapping 3x3 stride 2 with padding, odd size',
      inputs: [{ shape: [1, 5, 7, 5] }],
      build: max({ window: 3, stride: 2, padding: 1 }),
      secondOrder: true,
    },
    {
      name: 'overlapping 3x2 stride 1x2',
      inputs: [{ shape: [1, 6, 7, 3] }],
      build: max({ window: { height: 3, width: 2 }, stride: pair }),
      secondOrder: true,
    },
    {
      name: 'a cell that wins four windows gets four gradients',
      inputs: [{ shape: [1, 3, 3, 1], data: [1, 2, 3, 4, 9, 5, 6, 7, 8] }],
      build: both({ window: 2, stride: 1 }),
      expect: [
        [9, 9, 9, 9],
        [4, 4, 4, 4],
      ],
      gradient: { expect: [[0, 0, 0, 0, 4, 0, 0, 0, 0]] },
      secondOrder: true,
    },
    {
      name: 'stride larger than the window: cells between windows have gradient 0',
      inputs: [{ shape: [1, 5, 5, 1], data: ramp(25) }],
      build: max({ window: 2, stride: 3 }),
      expect: [[6, 9, 21, 24]],
      gradient: { expect: [ramp(25).map((i) => ([6, 9, 21, 24].includes(i) ? 1 : 0))] },
      secondOrder: true,
    },
    {
      name: 'dilation of columns only',
      inputs: [{ shape: [1, 4, 5, 1], data: ramp(20) }],
      build: both({ window: 2, stride: 1, dilation: pair }),
      expect: [
        [7, 8, 9, 12, 13, 14, 17, 18, 19],
        [7, 8, 9, 12, 13, 14, 17, 18, 19],
      ],
    },
    {
      name: 'dilation, stride and padding together',
      inputs: [{ shape: [2, 8, 7, 3] }],
      build: max({ window: { height: 2, width: 3 }, stride: { height: 2, width: 3 }, dilation: { height: 3, width: 2 }, padding: 2 }),
      secondOrder: true,
    },
    {
      name: 'padding on the left',
      inputs: [{ shape: [1, 1, 3, 1], data: [3, 2, 1] }],
      build: max({ window: pair, padding: { left: 1 } }),
      expect: [[3, 2]],
    },
    {
      name: 'padding on the right',
      inputs: [{ shape: [1, 1, 3, 1], data: [3, 2, 1] }],
      build: max({ window: pair, padding: { right: 1 } }),
      expect: [[3, 1]],
    },
    {
      name: 'padding at the top',
      inputs: [{ shape: [1, 3, 1, 1], data: [3, 2, 1] }],
      build: max({ window: column, padding: { top: 1 } }),
      expect: [[3, 2]],
    },
    {
      name: 'padding at the bottom',
      inputs: [{ shape: [1, 3, 1, 1], data: [3, 2, 1] }],
      build: max({ window: column, padding: { bottom: 1 } }),
      expect: [[3, 1]],
    },
    {
      name: 'four different paddings',
      inputs: [{ shape: [2, 6, 5, 3] }],
      build: max({ window: 4, stride: { height: 2, width: 3 }, padding: { top: 3, bottom: 1, left: 0, right: 2 } }),
      secondOrder: true,
    },
    {
      name: 'same padding puts the odd cell at the end',
      inputs: [{ shape: [1, 1, 4, 1], data: [4, 3, 2, 1] }],
      build: max({ window: { height: 1, width: 3 }, stride: 2, padding: 'same' }),
      expect: [[4, 2]],
    },
    {
      name: 'same-lower padding puts the odd cell at the start',
      inputs: [{ shape: [1, 1, 4, 1], data: [4, 3, 2, 1] }],
      build: max({ window: { height: 1, width: 3 }, stride: 2, padding: 'same-lower' }),
      expect: [[4, 3]],
    },
    {
      name: 'ceil mode keeps the overhanging windows',
      inputs: [{ shape: [1, 5, 3, 1], data: ramp(15) }],
      build: both({ window: 2, ceilMode: true }),
      expect: [
        [4, 5, 10, 11, 13, 14],
        [4, 5, 10, 11, 13, 14],
      ],
    },
    { name: 'floor mode drops them', inputs: [{ shape: [1, 5, 3, 1], data: ramp(15) }], build: max({ window: 2 }), expect: [[4, 10]] },
    {
      name: 'ceil mode drops a window that starts in the end padding',
      inputs: [{ shape: [1, 4, 1, 1], data: [1, 2, 3, 4] }],
      build: max({ window: column, stride: { height: 3, width: 1 }, padding: { top: 1, bottom: 1 }, ceilMode: true }),
      expect: [[1, 4]],
    },
    {
      name: 'ceil mode, overlapping, padded',
      inputs: [{ shape: [1, 6, 7, 3] }],
      build: max({ window: 3, stride: 2, padding: 1, ceilMode: true }),
      secondOrder: true,
    },
    {
      name: 'one window over the whole plane',
      inputs: [{ shape: [2, 3, 4, 5] }],
      build: max({ window: { height: 3, width: 4 } }),
      secondOrder: true,
    },
    {
      name: 'window 1x1, stride 2: every other cell',
      inputs: [{ shape: [1, 3, 4, 1], data: ramp(12) }],
      build: max({ window: 1, stride: 2 }),
      expect: [[0, 2, 8, 10]],
    },
    { name: 'an empty batch', inputs: [{ shape: [0, 4, 4, 3], data: [] }], build: max({ window: 2 }), expect: [[]] },
    {
      name: 'a tie goes to the first cell',
      inputs: [{ shape: [1, 2, 2, 1], data: [5, 5, 1, 5] }],
      build: both({ window: 2 }),
      expect: [[5], [0]],
      gradient: { expect: [[1, 0, 0, 0]] },
    },
    {
      name: 'a tie goes to the first row before the first column',
      inputs: [{ shape: [1, 2, 2, 1], data: [1, 5, 5, 1] }],
      build: both({ window: 2 }),
      expect: [[5], [1]],
      gradient: { expect: [[0, 1, 0, 0]] },
    },
    {
      name: 'overlapping windows over one plateau: each takes its own first cell',
      inputs: [{ shape: [1, 2, 3, 1], data: [7, 7, 7, 7, 7, 7] }],
      build: both({ window: 2, stride: 1 }),
      expect: [
        [7, 7],
        [0, 1],
      ],
      gradient: { expect: [[1, 1, 0, 0, 0, 0]] },
    },
    {
      name: 'all zero, as after ReLU: the first cell wins',
      inputs: [{ shape: [1, 2, 4, 1], data: [0, 0, 0, 0, 0, 0, 0, 0] }],
      build: both({ window: 2 }),
      expect: [
        [0, 0],
        [0, 2],
      ],
      gradient: { expect: [[1, 0, 1, 0, 0, 0, 0, 0]] },
    },
    {
      name: 'all negative: no gradient is lost',
      inputs: [{ shape: [1, 4, 4, 1], data: ramp(16).map((i) => -1 - i) }],
      build: both({ window: 2 }),
      expect: [
        [-1, -3, -9, -11],
        [0, 2, 8, 10],
      ],
      gradient: { expect: [[1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]] },
    },
    {
      name: 'all negative with padding: padding is not 0',
      inputs: [{ shape: [1, 1, 2, 1], data: [-2, -3] }],
      build: max({ window: pair, padding: { left: 1, right: 1 } }),
      expect: [[-2, -3]],
    },
    {
      name: 'padding never wins, not even against -Infinity',
      inputs: [{ shape: [1, 2, 2, 1], data: [-Infinity, -Infinity, -Infinity, -Infinity] }],
      build: both({ window: 3, padding: { top: 1, left: 1 } }),
      expect: [[-Infinity], [0]],
      gradient: { expect: [[1, 0, 0, 0]] },
    },
    {
      name: 'a window of nothing but -Infinity is won by its own first cell',
      inputs: [{ shape: [1, 1, 4, 1], data: [1, 2, -Infinity, -Infinity] }],
      build: both({ window: pair }),
      expect: [
        [2, -Infinity],
        [1, 2],
      ],
      gradient: { expect: [[0, 1, 1, 0]] },
    },
    {
      name: 'Infinity and the largest numbers are values like others',
      inputs: [{ shape: [1, 1, 6, 1], data: [-Infinity, -3e38, 3e38, Infinity, Infinity, Infinity] }],
      build: both({ window: pair }),
      expect: [
        [Math.fround(-3e38), Infinity, Infinity],
        [1, 3, 4],
      ],
      gradient: { expect: [[0, 1, 0, 1, 1, 0]] },
    },
    {
      name: 'NaN anywhere in the window gives NaN, and the first NaN wins',
      needs: 'nan',
      inputs: [{ shape: [1, 1, 12, 1], data: [NaN, 1, 2, 3, NaN, 4, 5, 6, NaN, NaN, Infinity, NaN] }],
      build: both({ window: { height: 1, width: 3 } }),
      expect: [
        [NaN, NaN, NaN, NaN],
        [0, 4, 8, 9],
      ],
      gradient: { expect: [[1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0]] },
    },
    {
      name: 'NaN stays in the windows that hold it',
      needs: 'nan',
      inputs: [{ shape: [1, 2, 4, 1], data: [1, 2, 3, 4, 5, NaN, 7, 6] }],
      build: both({ window: 2 }),
      expect: [
        [NaN, 7],
        [5, 6],
      ],
      gradient: { expect: [[0, 0, 0, 0, 0, 1, 1, 0]] },
    },
  ],
};

/** Attributes of the backward ops for an input shape. */
const backward = (inputShape: readonly number[], options: PoolOptions): PoolGradientAttributes => ({
  ...resolvePool('pool/max', { shape: inputShape, dtype: 'f32' }, options),
  inputShape,
});
const overlapping = { window: 3, stride: 2, padding: 1 };

export const maxPoolGradientCases: CaseTable = {
  name: 'pool/max-gradient',
  op: maxPoolGradient,
  cases: [
    {
      name: 'goes to the winners',
      inputs: [
        { shape: [1, 2, 1, 2], data: [1, 2, 3, 4] },
        { shape: [1, 2, 1, 2], dtype: 'i32', data: [3, 0, 6, 5] },
      ],
      build: (dy, winner) => apply1(maxPoolGradient, [dy, winner], backward([1, 4, 2, 2], { window: 2 })),
      expect: [[0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 3, 0, 0, 0]],
      secondOrder: true,
    },
    {
      name: 'adds up where a cell won several windows',
      inputs: [
        { shape: [1, 2, 2, 1], data: [1, 2, 4, 8] },
        { shape: [1, 2, 2, 1], dtype: 'i32', data: [4, 4, 4, 8] },
      ],
      build: (dy, winner) => apply1(maxPoolGradient, [dy, winner], backward([1, 3, 3, 1], { window: 2, stride: 1 })),
      expect: [[0, 0, 0, 0, 7, 0, 0, 0, 8]],
      secondOrder: true,
    },
    {
      name: 'of a padded, overlapping pooling',
      inputs: [{ shape: [2, 3, 4, 3] }, { shape: [2, 5, 7, 3] }],
      build: (dy, x) => apply1(maxPoolGradient, [dy, maxPool2dWithWinner(x, overlapping).winner], backward(x.shape, overlapping)),
      secondOrder: true,
    },
  ],
};

export const maxPoolGatherCases: CaseTable = {
  name: 'pool/max-gather',
  op: maxPoolGather,
  cases: [
    {
      name: 'reads the winners',
      inputs: [
        { shape: [1, 3, 3, 1], data: [10, 11, 12, 13, 14, 15, 16, 17, 18] },
        { shape: [1, 2, 2, 1], dtype: 'i32', data: [4, 1, 3, 8] },
      ],
      build: (x, winner) => apply1(maxPoolGather, [x, winner], backward(x.shape, { window: 2, stride: 1 })),
      expect: [[14, 11, 13, 18]],
      secondOrder: true,
    },
    {
      name: 'whole numbers too',
      inputs: [
        { shape: [1, 2, 2, 2], dtype: 'i32', data: [-1, 20, 3, 40, 5, 60, 7, 16777217] },
        { shape: [1, 1, 1, 2], dtype: 'i32', data: [0, 3] },
      ],
      build: (x, winner) => apply1(maxPoolGather, [x, winner], backward(x.shape, { window: 2 })),
      expect: [[-1, 16777217]],
    },
    {
      name: 'of a padded, overlapping pooling',
      inputs: [{ shape: [2, 5, 7, 3] }, { shape: [2, 5, 7, 3] }],
      build: (z, x) => apply1(maxPoolGather, [z, maxPool2dWithWinner(x, overlapping).winner], backward(x.shape, overlapping)),
      secondOrder: true,
    },
  ],
};
