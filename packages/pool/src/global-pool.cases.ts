import type { CaseTable } from '@shoal/core';
import { globalAveragePool2d, globalMaxPool2d, globalMaxPool2dWithWinner } from './global-pool.ts';

export const globalPoolCases: readonly CaseTable[] = [
  {
    name: 'pool/global-average',
    op: null,
    cases: [
      {
        name: 'mean of each plane',
        inputs: [{ shape: [2, 1, 2, 3], data: [1, 2, 3, 5, 8, 13, -1, -2, -3, -5, -8, -13] }],
        build: (x) => globalAveragePool2d(x),
        expect: [[3, 5, 8, -3, -5, -8]],
      },
      {
        name: 'height, width, batch and channels all different',
        inputs: [{ shape: [2, 3, 4, 5] }],
        build: (x) => globalAveragePool2d(x),
        secondOrder: true,
      },
    ],
  },
  {
    name: 'pool/global-max',
    op: null,
    cases: [
      {
        name: 'the first maximum of each plane',
        inputs: [{ shape: [2, 2, 2, 2], data: [-1, 5, -1, 5, -3, 5, -1, 6, 0, 0, 2, 0, 1, 0, 2, 0] }],
        build: (x) => {
          const { output, winner } = globalMaxPool2dWithWinner(x);
          return [output, winner];
        },
        expect: [
          [-1, 6, 2, 0],
          [0, 3, 1, 0],
        ],
        gradient: { expect: [[1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]] },
      },
      {
        name: 'height, width, batch and channels all different',
        inputs: [{ shape: [2, 3, 4, 5] }],
        build: (x) => globalMaxPool2d(x),
        secondOrder: true,
      },
    ],
  },
];
