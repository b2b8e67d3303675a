import { apply1, type CaseTable, type Value } from '@shoal/core';
import { averagePool, averagePool2d, averagePoolGradient, type AveragePoolOptions } from './average-pool.ts';
import { resolvePool, type PoolOptions } from './window.ts';

const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const average =
  (options: AveragePoolOptions) =>
  (x: Value): Value =>
    averagePool2d(x, options);
const sum =
  (options: PoolOptions) =>
  (x: Value): Value =>
    apply1(averagePool, [x], { ...resolvePool('pool/average', x, options), divisor: 'one' });
const pair = { height: 1, width: 2 };
const triple = { height: 1, width: 3 };
const counted = { countIncludePad: true };
/** Starts at -1, 1 and 3 of 4 cells: the last window holds cell 3, one padding cell, and one beyond the padding. */
const overhang = { window: triple, stride: 2, padding: { left: 1, right: 1 }, ceilMode: true };

export const averagePoolCases: CaseTable = {
  name: 'pool/average',
  op: averagePool,
  cases: [
    {
      name: '2x2 windows side by side',
      inputs: [{ shape: [1, 4, 4, 1], data: ramp(16) }],
      build: average({ window: 2 }),
      expect: [[3.5, 5.5, 11.5, 13.5]],
    },
    {
      name: 'each image and channel for itself',
      inputs: [{ shape: [2, 1, 2, 3], data: [1, 2, 3, 5, 8, 13, -1, -2, -3, -5, -8, -13] }],
      build: average({ window: pair }),
      expect: [[3, 5, 8, -3, -5, -8]],
    },
    {
      name: 'height, width, batch and channels all different',
      inputs: [{ shape: [2, 4, 6, 3] }],
      build: average({ window: 2 }),
      secondOrder: true,
    },
    {
      name: 'overlapping 3x3 stride 2 with padding, odd size',
      inputs: [{ shape: [1, 5, 7, 3] }],
      build: average({ window: 3, stride: 2, padding: 1 }),
      secondOrder: true,
    },
    {
      name: 'the same, padding counted',
      inputs: [{ shape: [1, 5, 7, 3] }],
      build: average({ window: 3, stride: 2, padding: 1, countIncludePad: true }),
      secondOrder: true,
    },
    {
      name: 'overlapping windows: a cell gets a share from each',
      inputs: [{ shape: [1, 3, 3, 1], data: ramp(9) }],
      build: average({ window: 2, stride: 1 }),
      expect: [[3, 4, 6, 7]],
      gradient: { expect: [[0.25, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5, 0.25]] },
      secondOrder: true,
    },
    {
      name: 'stride larger than the window: cells between windows have gradient 0',
      inputs: [{ shape: [1, 2, 5, 1], data: ramp(10) }],
      build: average({ window: 2, stride: 3 }),
      expect: [[4, 7]],
      gradient: { expect: [[0.25, 0.25, 0, 0.25, 0.25, 0.25, 0.25, 0, 0.25, 0.25]] },
    },
    {
      name: 'padding does not count',
      inputs: [{ shape: [1, 3, 3, 1], data: ramp(9) }],
      build: average({ window: 3, stride: 2, padding: 1 }),
      expect: [[3, 4, 6, 7]],
    },
    {
      name: 'padding counts when asked',
      inputs: [{ shape: [1, 3, 3, 1], data: ramp(9) }],
      build: average({ window: 3, stride: 2, padding: 1, countIncludePad: true }),
      expect: [[12 / 9, 16 / 9, 24 / 9, 28 / 9]],
    },
    {
      name: 'dilation of rows only',
      inputs: [{ shape: [1, 3, 4, 1], data: ramp(12) }],
      build: average({ window: 2, stride: 1, dilation: { height: 2, width: 1 } }),
      expect: [[5.5, 6.5, 7.5]],
    },
    {
      name: 'dilation, stride and padding together, padding counted',
      inputs: [{ shape: [2, 8, 7, 3] }],
      build: average({
        window: { height: 2, width: 3 },
        stride: { height: 2, width: 3 },
        dilation: { height: 3, width: 2 },
        padding: 2,
        ...counted,
      }),
      secondOrder: true,
    },
    {
      name: 'dilated window astride the padding: only what it touches counts',
      inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }],
      build: average({ window: triple, stride: 1, dilation: 2, padding: { left: 2 }, ...counted }),
      expect: [[4 / 3, 2]],
    },
    {
      name: 'padding on the left',
      inputs: [{ shape: [1, 1, 3, 1], data: ramp(3) }],
      build: average({ window: pair, padding: { left: 1 }, ...counted }),
      expect: [[0.5, 2.5]],
    },
    {
      name: 'padding on the right',
      inputs: [{ shape: [1, 1, 3, 1], data: ramp(3) }],
      build: average({ window: pair, padding: { right: 1 }, ...counted }),
      expect: [[1.5, 1.5]],
    },
    {
      name: 'padding at the top',
      inputs: [{ shape: [1, 3, 1, 1], data: ramp(3) }],
      build: average({ window: { height: 2, width: 1 }, padding: { top: 1 } }),
      expect: [[1, 2.5]],
      gradient: { expect: [[1, 0.5, 0.5]] },
    },
    {
      name: 'padding at the bottom',
      inputs: [{ shape: [1, 3, 1, 1], data: ramp(3) }],
      build: average({ window: { height: 2, width: 1 }, padding: { bottom: 1 } }),
      expect: [[1.5, 3]],
      gradient: { expect: [[0.5, 0.5, 1]] },
    },
    {
      name: 'four different paddings',
      inputs: [{ shape: [2, 6, 5, 3] }],
      build: average({ window: 4, stride: { height: 2, width: 3 }, padding: { top: 3, bottom: 1, left: 0, right: 2 } }),
      secondOrder: true,
    },
    {
      name: 'four different paddings, counted',
      inputs: [{ shape: [2, 6, 5, 3] }],
      build: average({ window: 4, stride: { height: 2, width: 3 }, padding: { top: 3, bottom: 1, left: 0, right: 2 }, ...counted }),
      secondOrder: true,
    },
    {
      name: 'same padding puts the odd cell at the end',
      inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }],
      build: average({ window: triple, stride: 2, padding: 'same' }),
      expect: [[2, 3.5]],
    },
    {
      name: 'same-lower padding puts the odd cell at the start',
      inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }],
      build: average({ window: triple, stride: 2, padding: 'same-lower' }),
      expect: [[1.5, 3]],
    },
    {
      name: 'ceil mode: overhang does not count',
      inputs: [{ shape: [1, 1, 5, 1], data: ramp(5) }],
      build: average({ window: pair, ceilMode: true }),
      expect: [[1.5, 3.5, 5]],
    },
    {
      name: 'ceil mode: overhang does not count even where padding would',
      inputs: [{ shape: [1, 1, 5, 1], data: ramp(5) }],
      build: average({ window: pair, ceilMode: true, ...counted }),
      expect: [[1.5, 3.5, 5]],
      gradient: { expect: [[0.5, 0.5, 0.5, 0.5, 1]] },
    },
    { name: 'ceil mode beyond padding', inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }], build: average(overhang), expect: [[1.5, 3, 4]] },
    {
      name: 'ceil mode beyond padding that counts',
      inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }],
      build: average({ ...overhang, ...counted }),
      expect: [[1, 3, 2]],
    },
    {
      name: 'the same along a column',
      inputs: [{ shape: [1, 4, 1, 1], data: ramp(4) }],
      build: average({ window: { height: 3, width: 1 }, stride: 2, padding: { top: 1, bottom: 1 }, ceilMode: true, ...counted }),
      expect: [[1, 3, 2]],
    },
    {
      name: 'ceil mode drops a window that starts in the end padding',
      inputs: [{ shape: [1, 1, 4, 1], data: ramp(4) }],
      build: average({ window: pair, stride: 3, padding: { left: 1, right: 1 }, ceilMode: true }),
      expect: [[1, 3.5]],
    },
    {
      name: 'ceil mode, overlapping, padded',
      inputs: [{ shape: [1, 6, 7, 3] }],
      build: average({ window: 3, stride: 2, padding: 1, ceilMode: true }),
      secondOrder: true,
    },
    {
      name: 'ceil mode, overlapping, padded and counted',
      inputs: [{ shape: [1, 6, 7, 3] }],
      build: average({ window: 3, stride: 2, padding: 1, ceilMode: true, ...counted }),
      secondOrder: true,
    },
    {
      name: 'one window over the whole plane',
      inputs: [{ shape: [2, 3, 4, 5] }],
      build: average({ window: { height: 3, width: 4 } }),
      secondOrder: true,
    },
    { name: 'an empty batch', inputs: [{ shape: [0, 4, 4, 3], data: [] }], build: average({ window: 2 }), expect: [[]] },
    {
      name: '-Infinity in one window',
      inputs: [{ shape: [1, 1, 4, 1], data: [-Infinity, 1, 2, 3] }],
      build: average({ window: pair }),
      expect: [[-Infinity, 2.5]],
      gradient: { expect: [[0.5, 0.5, 0.5, 0.5]] },
    },
    {
      name: 'NaN stays in the windows that hold it',
      needs: 'nan',
      inputs: [{ shape: [1, 1, 5, 1], data: [1, NaN, 2, 3, 4] }],
      build: average({ window: triple, stride: 2, padding: { left: 1 } }),
      expect: [[NaN, NaN]],
      gradient: { expect: [[1 / 2, 1 / 2 + 1 / 3, 1 / 3, 1 / 3, 0]] },
    },
    {
      name: 'divisor one: the sum',
      inputs: [{ shape: [1, 3, 3, 1], data: ramp(9) }],
      build: sum({ window: 3, stride: 2, padding: 1 }),
      expect: [[12, 16, 24, 28]],
    },
    {
      name: 'divisor one, overlapping, ceil mode',
      inputs: [{ shape: [2, 6, 7, 3] }],
      build: sum({ window: 3, stride: 2, padding: 1, ceilMode: true }),
      secondOrder: true,
    },
  ],
};

const back =
  (inputShape: readonly number[], { countIncludePad = false, ...options }: AveragePoolOptions) =>
  (dy: Value): Value => {
    const window = resolvePool('pool/average-gradient', { shape: inputShape, dtype: 'f32' }, options);
    return apply1(averagePoolGradient, [dy], { ...window, divisor: countIncludePad ? 'padded' : 'present', inputShape });
  };

export const averagePoolGradientCases: CaseTable = {
  name: 'pool/average-gradient',
  op: averagePoolGradient,
  cases: [
    {
      name: 'shares equally',
      inputs: [{ shape: [1, 1, 2, 1], data: [4, 8] }],
      build: back([1, 2, 4, 1], { window: 2 }),
      expect: [[1, 1, 2, 2, 1, 1, 2, 2]],
      secondOrder: true,
    },
    {
      name: 'among present cells',
      inputs: [{ shape: [1, 1, 3, 1], data: [6, 6, 6] }],
      build: back([1, 1, 4, 1], overhang),
      expect: [[3, 5, 2, 8]],
      secondOrder: true,
    },
    {
      name: 'among present and padded cells',
      inputs: [{ shape: [1, 1, 3, 1], data: [6, 6, 6] }],
      build: back([1, 1, 4, 1], { ...overhang, ...counted }),
      expect: [[2, 4, 2, 5]],
      secondOrder: true,
    },
    {
      name: 'overlapping, padded, ceil mode',
      inputs: [{ shape: [2, 4, 4, 3] }],
      build: back([2, 6, 7, 3], { window: 3, stride: 2, padding: 1, ceilMode: true }),
      secondOrder: true,
    },
    {
      name: 'stride larger than the window',
      inputs: [{ shape: [2, 3, 2, 5] }],
      build: back([2, 8, 5, 5], { window: 2, stride: 3 }),
      secondOrder: true,
    },
  ],
};
