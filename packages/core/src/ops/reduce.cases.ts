import type { CaseTable } from '../case.ts';
import * as e from '../expression/index.ts';
import { map } from './map.ts';
import { reduce, reduceOp } from './reduce.ts';

const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

export const reduceCases: CaseTable = {
  name: 'core/reduce',
  op: reduceOp,
  cases: [
    { name: 'sum of everything', inputs: [{ shape: [2, 3], data: ramp(6) }], build: (x) => reduce(x, { kind: 'sum' }), expect: [[21]] },
    {
      name: 'sum along the last axis',
      inputs: [{ shape: [2, 3], data: ramp(6) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [-1] }),
      expect: [[6, 15]],
    },
    {
      name: 'sum along the first axis',
      inputs: [{ shape: [2, 3], data: ramp(6) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0] }),
      expect: [[5, 7, 9]],
    },
    {
      name: 'channel sums',
      inputs: [{ shape: [2, 2, 1, 3], data: ramp(12) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0, 1, 2] }),
      expect: [[22, 26, 30]],
    },
    {
      name: 'spatial sums',
      inputs: [{ shape: [2, 2, 1, 3], data: ramp(12) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [1, 2] }),
      expect: [[5, 7, 9, 17, 19, 21]],
    },
    {
      name: 'first and last axis',
      inputs: [{ shape: [2, 3, 2], data: ramp(12) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0, 2] }),
      expect: [[18, 26, 34]],
    },
    { name: 'every other axis, uneven sizes', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => reduce(x, { kind: 'sum', axes: [0, 2] }) },
    { name: 'long rows', inputs: [{ shape: [3, 37] }], build: (x) => reduce(x, { kind: 'sum', axes: [1] }) },
    {
      name: 'axes kept with size 1',
      inputs: [{ shape: [2, 3], data: ramp(6) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [1], keep: true }),
      expect: [[6, 15]],
    },
    {
      name: 'an axis of size 1',
      inputs: [{ shape: [1, 3], data: ramp(3) }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0] }),
      expect: [[1, 2, 3]],
    },
    {
      name: 'a sum of nothing is 0',
      inputs: [{ shape: [0, 3] }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0] }),
      expect: [[0, 0, 0]],
    },
    {
      name: 'a sum whose terms cancel',
      inputs: [{ shape: [5], data: [2 ** 24, 1, 1, 1, -(2 ** 24)] }],
      build: (x) => reduce(x, { kind: 'sum' }),
      expect: [[3]],
      gradient: { expect: [[1, 1, 1, 1, 1]] },
      needs: 'order',
    },
    {
      name: 'i32 sums wrap',
      inputs: [{ shape: [2, 2], dtype: 'i32', data: [0x7fffffff, 1, 1, 2] }],
      build: (x) => reduce(x, { kind: 'sum', axes: [0] }),
      expect: [[-0x80000000, 3]],
    },
    {
      name: 'u32 sums',
      inputs: [{ shape: [3], dtype: 'u32', data: [0xffffffff, 2, 3] }],
      build: (x) => reduce(x, { kind: 'sum' }),
      expect: [[4]],
    },
    {
      name: 'max along the last axis',
      inputs: [{ shape: [2, 5], data: [-5, -2, -9, -3, -4, 1, 7, 3, 0, 2] }],
      build: (x) => reduce(x, { kind: 'max', axes: [1] }),
      expect: [[-2, 7]],
    },
    {
      name: 'max along the first axis',
      inputs: [{ shape: [2, 3], data: [1, 5, -6, 4, 2, -3] }],
      build: (x) => reduce(x, { kind: 'max', axes: [0] }),
      expect: [[4, 5, -3]],
    },
    {
      name: 'min of everything',
      inputs: [{ shape: [2, 3], data: [1, 5, -6, 4, 2, -3] }],
      build: (x) => reduce(x, { kind: 'min' }),
      expect: [[-6]],
    },
    {
      name: 'max of -Infinity alone',
      inputs: [{ shape: [3], data: [-Infinity, -Infinity, -Infinity] }],
      build: (x) => reduce(x, { kind: 'max' }),
      expect: [[-Infinity]],
      gradient: { expect: [[1 / 3, 1 / 3, 1 / 3]] },
    },
    {
      name: 'max of a NaN is NaN, wherever it is',
      inputs: [{ shape: [3, 3], data: [NaN, 1, 2, 1, NaN, 2, 1, 2, NaN] }],
      build: (x) => reduce(x, { kind: 'max', axes: [1] }),
      expect: [[NaN, NaN, NaN]],
      gradient: { none: 'NaN has no winner' },
      needs: 'nan',
    },
    {
      name: 'tied maxima share the gradient',
      inputs: [{ shape: [4], data: [3, 1, 3, 2] }],
      build: (x) => reduce(x, { kind: 'max' }),
      expect: [[3]],
      gradient: { expect: [[0.5, 0, 0.5, 0]] },
    },
    {
      name: 'a product summed over images and rows',
      inputs: [{ shape: [2, 3, 2, 5] }, { shape: [2, 3, 2, 5] }, { shape: [5] }],
      build: (x, y, z) =>
        reduce(
          map([x, y, z], (a, b, c) => e.mul(e.sub(a, c), b)),
          { kind: 'sum', axes: [0, 1, 2] },
        ),
      secondOrder: true,
    },
    {
      name: 'an expression summed along the channels',
      inputs: [{ shape: [3, 6] }, { shape: [6] }],
      build: (x, y) =>
        reduce(
          map([x, y], (a, b) => e.exp(e.add(a, b))),
          { kind: 'sum', axes: [1] },
        ),
      secondOrder: true,
    },
  ],
};
