import { apply, apply1, type CaseTable, type Value } from '@shoal/core';
import { maxPool2dWithWinner } from './max-pool.ts';
import { maxUnpool, maxUnpool2d, maxUnpoolGradient } from './max-unpool.ts';
import type { PoolOptions } from './window.ts';

const unpool =
  (height: number, width: number) =>
  (x: Value, winner: Value): Value =>
    maxUnpool2d(x, winner, { output: { height, width } });
const poolThenUnpool =
  (options: PoolOptions) =>
  (x: Value): Value => {
    const { output, winner } = maxPool2dWithWinner(x, options);
    return maxUnpool2d(output, winner, { output: { height: x.shape[1]!, width: x.shape[2]! } });
  };

export const maxUnpoolCases: readonly CaseTable[] = [
  {
    name: 'pool/max-unpool',
    op: maxUnpool,
    cases: [
      {
        name: 'puts each value at its winner',
        inputs: [
          { shape: [2, 1, 2, 1], data: [1, 2, 3, 4] },
          { shape: [2, 1, 2, 1], dtype: 'i32', data: [4, 0, 1, 5] },
        ],
        build: unpool(2, 3),
        expect: [[2, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 4]],
        secondOrder: true,
      },
      {
        name: 'each channel for itself',
        inputs: [
          { shape: [1, 1, 1, 3], data: [1, 2, 3] },
          { shape: [1, 1, 1, 3], dtype: 'i32', data: [1, 0, 3] },
        ],
        build: unpool(2, 2),
        expect: [[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3]],
      },
      {
        name: 'of duplicates the last in row-major order is kept, and gets the gradient',
        inputs: [
          { shape: [1, 2, 2, 1], data: [1, 2, 3, 4] },
          { shape: [1, 2, 2, 1], dtype: 'i32', data: [4, 4, 4, 0] },
        ],
        build: (x, winner) => apply(maxUnpool, [x, winner], { output: { height: 2, width: 3 } }),
        expect: [
          [4, 0, 0, 0, 3, 0],
          [3, -1, -1, -1, 2, -1],
        ],
        gradient: { expect: [[0, 0, 1, 1], null] },
        secondOrder: true,
      },
      {
        name: 'winners outside the plane put nothing',
        inputs: [
          { shape: [2, 1, 3, 1], data: [1, 2, 3, 4, 5, 6] },
          { shape: [2, 1, 3, 1], dtype: 'i32', data: [-1, 2, 4, 3, 7, 1] },
        ],
        build: unpool(2, 2),
        expect: [[0, 0, 2, 0, 0, 6, 0, 4]],
        gradient: { expect: [[0, 1, 0, 1, 0, 1], null] },
      },
      { name: 'undoes a pooling, up to zeros', inputs: [{ shape: [2, 4, 6, 3] }], build: poolThenUnpool({ window: 2 }), secondOrder: true },
      {
        name: 'of an overlapping, padded pooling',
        inputs: [{ shape: [1, 5, 7, 3] }],
        build: poolThenUnpool({ window: 3, stride: 2, padding: 1 }),
        secondOrder: true,
      },
    ],
  },
  {
    name: 'pool/max-unpool-gradient',
    op: maxUnpoolGradient,
    cases: [
      {
        name: 'reads what was kept',
        inputs: [
          { shape: [1, 2, 3, 1], data: [1, 2, 3, 4, 5, 6] },
          { shape: [1, 2, 2, 1], dtype: 'i32', data: [4, 4, 4, 0] },
          { shape: [1, 2, 3, 1], dtype: 'i32', data: [3, -1, -1, -1, 2, -1] },
        ],
        build: (dy, winner, source) => apply1(maxUnpoolGradient, [dy, winner, source], {}),
        expect: [[0, 0, 5, 1]],
        secondOrder: true,
      },
    ],
  },
];
