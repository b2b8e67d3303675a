import type { CaseTable } from '@shoal/core';
import { groupNorm } from './group-norm.ts';

export const groupNormCases: CaseTable = {
  name: 'groupNorm',
  op: null,
  cases: [
    {
      // Group 0 holds 1, 2, 3, 6 (mean 3, variance 3.5), group 1 their negatives: with epsilon 1/2 the deviations are 2.
      name: 'two groups of two channels',
      inputs: [
        { shape: [1, 1, 2, 4], data: [1, 2, -1, -2, 3, 6, -3, -6] },
        { shape: [4], data: [1, 2, 3, 4] },
        { shape: [4], data: [0, 0, 1, 0] },
      ],
      build: (x, gamma, beta) => groupNorm(x, { gamma, beta }, { groups: 2, epsilon: 0.5 }),
      expect: [[-1, -1, 4, 2, 0, 3, 1, -6]],
    },
    {
      name: 'H≠W, N≠C',
      inputs: [{ shape: [2, 3, 4, 6] }, { shape: [6] }, { shape: [6] }],
      build: (x, gamma, beta) => groupNorm(x, { gamma, beta }, { groups: 3 }),
      secondOrder: true,
    },
    {
      name: 'rank 2, one group',
      inputs: [{ shape: [3, 5] }, { shape: [5] }, { shape: [5] }],
      build: (x, gamma, beta) => groupNorm(x, { gamma, beta }, { groups: 1 }),
    },
  ],
};
