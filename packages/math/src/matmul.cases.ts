import type { Case, CaseTable } from '@shoal/core';
import { matmul, matmulOp } from './matmul.ts';

const a = { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] };
const b = { shape: [3, 2], data: [7, 8, 9, 10, 11, 12] };

/** All second derivatives of one way to read the operands. */
const transposed = (transposeA: boolean, transposeB: boolean): Case => ({
  name: `5x3x7${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
  inputs: [{ shape: transposeA ? [3, 5] : [5, 3] }, { shape: transposeB ? [7, 3] : [3, 7] }],
  build: (x, y) => matmul(x, y, { transposeA, transposeB }),
  secondOrder: true,
});

export const matmulCases: CaseTable = {
  name: 'math/matmul',
  op: matmulOp,
  cases: [
    {
      name: '2x3 times 3x2',
      inputs: [a, b],
      build: (x, y) => matmul(x, y),
      expect: [[58, 64, 139, 154]],
      gradient: {
        expect: [
          [15, 19, 23, 15, 19, 23],
          [5, 5, 7, 7, 9, 9],
        ],
      },
    },
    {
      name: 'a transposed',
      inputs: [{ shape: [3, 2], data: [1, 4, 2, 5, 3, 6] }, b],
      build: (x, y) => matmul(x, y, { transposeA: true }),
      expect: [[58, 64, 139, 154]],
    },
    {
      name: 'b transposed',
      inputs: [a, { shape: [2, 3], data: [7, 9, 11, 8, 10, 12] }],
      build: (x, y) => matmul(x, y, { transposeB: true }),
      expect: [[58, 64, 139, 154]],
    },
    {
      name: 'bias per column',
      inputs: [a, b, { shape: [2], data: [100, 1000] }],
      build: (x, y, bias) => matmul(x, y, { bias: bias }),
      expect: [[158, 1064, 239, 1154]],
    },
    transposed(false, false),
    transposed(false, true),
    transposed(true, false),
    transposed(true, true),
    { name: 'a batch of products', inputs: [{ shape: [2, 3, 4] }, { shape: [2, 4, 5] }], build: (x, y) => matmul(x, y), secondOrder: true },
    {
      name: 'batches broadcast both ways',
      inputs: [{ shape: [2, 1, 3, 4] }, { shape: [3, 5, 4] }],
      build: (x, y) => matmul(x, y, { transposeB: true }),
      secondOrder: true,
    },
    {
      name: 'one matrix for a batch',
      inputs: [{ shape: [2, 3, 4] }, { shape: [4, 5] }, { shape: [5] }],
      build: (x, y, bias) => matmul(x, y, { bias: bias }),
    },
    {
      name: 'one matrix for a batch, transposed',
      inputs: [{ shape: [2, 4, 3] }, { shape: [5, 4] }],
      build: (x, y) => matmul(x, y, { transposeA: true, transposeB: true }),
    },
    {
      name: 'an infinity stays in its row',
      inputs: [
        { shape: [2, 2], data: [Infinity, 1, 2, 3] },
        { shape: [2, 1], data: [1, 4] },
      ],
      build: (x, y) => matmul(x, y),
      expect: [[Infinity, 14]],
      gradient: { none: 'infinite inputs have no differences' },
    },
    { name: '67x33x29: no multiple of a tile', inputs: [{ shape: [67, 33] }, { shape: [33, 29] }], build: (x, y) => matmul(x, y) },
  ],
};
