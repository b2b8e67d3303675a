import type { CaseTable, Value } from '@shoal/core';
import { globalLpPool2d, lpPool2d, type LpPoolOptions } from './lp-pool.ts';

const lp =
  (options: LpPoolOptions) =>
  (x: Value): Value =>
    lpPool2d(x, options);
const pair = { height: 1, width: 2 };

export const lpPoolCases: CaseTable = {
  name: 'pool/lp',
  op: null,
  cases: [
    {
      name: 'p = 2 is the length',
      inputs: [{ shape: [1, 1, 4, 1], data: [3, -4, 0, 5] }],
      build: lp({ window: pair }),
      expect: [[5, 5]],
      gradient: { expect: [[0.6, -0.8, 0, 1]] },
      secondOrder: true,
    },
    {
      name: 'p = 1 is the sum of absolute values, with slope 0 at 0',
      inputs: [{ shape: [1, 1, 4, 1], data: [-1, 2, 0, -3] }],
      build: lp({ p: 1, window: pair }),
      expect: [[3, 3]],
      gradient: { expect: [[-1, 1, 0, -1]] },
    },
    {
      name: 'p = 3 takes absolute values',
      inputs: [{ shape: [1, 1, 2, 1], data: [-1, 2] }],
      build: lp({ p: 3, window: pair }),
      expect: [[Math.cbrt(9)]],
      gradient: { expect: [[-1 / Math.cbrt(81), 4 / Math.cbrt(81)]] },
    },
    {
      name: 'a window of zeros has gradient 0',
      inputs: [{ shape: [1, 1, 4, 1], data: [0, 0, 6, 8] }],
      build: lp({ p: 2, window: pair }),
      expect: [[0, 10]],
      gradient: { expect: [[0, 0, 0.6, 0.8]] },
    },
    {
      name: 'a window of zeros has gradient 0, p = 1',
      inputs: [{ shape: [1, 1, 2, 1], data: [0, 0] }],
      build: lp({ p: 1, window: pair }),
      expect: [[0]],
      gradient: { expect: [[0, 0]] },
    },
    {
      name: 'a window of zeros has gradient 0, p = 1.5 and 3',
      inputs: [{ shape: [1, 1, 2, 1], data: [0, 0] }],
      build: (x) => [lpPool2d(lpPool2d(x, { p: 1.5, window: pair, stride: 1, padding: { right: 1 } }), { p: 3, window: pair, stride: 1 })],
      expect: [[0]],
      gradient: { expect: [[0, 0]] },
    },
    {
      name: 'p = 2, odd sizes, overlapping, padded',
      inputs: [{ shape: [2, 5, 7, 3] }],
      build: lp({ p: 2, window: 3, stride: 2, padding: 1 }),
      secondOrder: true,
    },
    {
      name: 'p = 1, dilated',
      inputs: [{ shape: [2, 5, 6, 3] }],
      build: lp({ p: 1, window: 2, stride: 1, dilation: 2 }),
      secondOrder: true,
    },
    {
      name: 'p = 3, ceil mode',
      inputs: [{ shape: [1, 6, 5, 3] }],
      build: lp({ p: 3, window: 3, stride: 2, ceilMode: true }),
      secondOrder: true,
    },
    {
      name: 'p = 4, padding at the start only',
      inputs: [{ shape: [2, 3, 4, 5] }],
      build: lp({ p: 4, window: 2, padding: { top: 1, left: 1 } }),
      secondOrder: true,
      needs: 'range',
    },
    {
      name: 'p = 2.5, stride larger than the window',
      inputs: [{ shape: [2, 4, 5, 3] }],
      build: lp({ p: 2.5, window: 2, stride: 3 }),
      secondOrder: true,
    },
    {
      name: 'p = 9',
      inputs: [{ shape: [1, 2, 4, 3], data: 'positive' }],
      build: lp({ p: 9, window: 2 }),
      secondOrder: true,
      needs: 'range',
    },
    {
      name: 'padding on the left',
      inputs: [{ shape: [1, 1, 3, 1], data: [5, 3, 4] }],
      build: lp({ window: pair, padding: { left: 1 } }),
      expect: [[5, 5]],
    },
    {
      name: 'padding on the right',
      inputs: [{ shape: [1, 1, 3, 1], data: [3, 4, 5] }],
      build: lp({ window: pair, padding: { right: 1 } }),
      expect: [[5, 5]],
    },
    {
      name: 'NaN stays in the windows that hold it',
      needs: 'nan',
      inputs: [{ shape: [1, 1, 4, 1], data: [NaN, 0, 0, -2] }],
      build: lp({ window: pair }),
      expect: [[NaN, 2]],
      gradient: { expect: [[NaN, NaN, 0, -1]] },
    },
  ],
};

export const globalLpPoolCases: CaseTable = {
  name: 'pool/global-lp',
  op: null,
  cases: [
    {
      name: 'p = 2',
      inputs: [{ shape: [1, 2, 2, 2], data: [1, 3, -2, 0, 2, 0, 4, 4] }],
      build: (x) => globalLpPool2d(x),
      expect: [[5, 5]],
    },
    { name: 'p = 3, several images', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => globalLpPool2d(x, { p: 3 }), secondOrder: true },
  ],
};
