import type { CaseTable } from '@shoal/core';
import { dropout } from './dropout.ts';

const step = { shape: [], dtype: 'u32', data: [0] } as const;

/** Random123's test vector for counter and key zero is 6627e8d5 e169c58d bc57ac4c 9b00dbd8: as shares of 2^32 0.399, 0.881, 0.736, 0.605. */
export const dropoutCases: CaseTable = {
  name: 'math/dropout',
  op: null,
  cases: [
    {
      name: 'Philox test vector, rate 0.5',
      inputs: [{ shape: [4], data: [1, 2, 3, 4] }, step],
      build: (x, at) => dropout(x, { rate: 0.5, step: at, stream: 0 }),
      expect: [[0, 4, 6, 8]],
      gradient: { expect: [[0, 2, 2, 2], null] },
    },
    {
      name: 'Philox test vector, rate 0.75',
      inputs: [{ shape: [4], data: [1, 2, 3, 4] }, step],
      build: (x, at) => dropout(x, { rate: 0.75, step: at, stream: 0 }),
      expect: [[0, 8, 0, 0]],
    },
    {
      name: 'another step, stream and seed',
      inputs: [{ shape: [2, 3, 5] }, { shape: [], dtype: 'u32', data: [7] }],
      build: (x, at) => dropout(x, { rate: 0.3, step: at, stream: 2, seed: 5 }),
      secondOrder: true,
    },
  ],
};
