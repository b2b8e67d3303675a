import type { CaseTable } from '@shoal/core';
import { logSoftmax, softmax } from './softmax.ts';

export const softmaxCases: readonly CaseTable[] = [
  {
    name: 'math/softmax',
    op: null,
    cases: [
      {
        name: 'literal row',
        inputs: [{ shape: [1, 3], data: [1, 2, 3] }],
        build: (x) => softmax(x),
        expect: [[0.09003057317038046, 0.24472847105479764, 0.6652409557748218]],
      },
      {
        name: 'large logits do not overflow',
        inputs: [{ shape: [2, 2], data: [1000, 1000, -1000, 0] }],
        build: (x) => softmax(x),
        expect: [[0.5, 0.5, 0, 1]],
      },
      { name: 'axis 1', inputs: [{ shape: [2, 3, 4] }], build: (x) => softmax(x, { axis: 1 }), secondOrder: true },
      { name: 'last axis', inputs: [{ shape: [2, 5, 3] }], build: (x) => softmax(x), secondOrder: true },
    ],
  },
  {
    name: 'math/log-softmax',
    op: null,
    cases: [
      {
        name: 'literal row',
        inputs: [{ shape: [3], data: [1, 2, 3] }],
        build: (x) => logSoftmax(x),
        expect: [[-2.4076059644443806, -1.4076059644443804, -0.4076059644443804]],
      },
      {
        name: 'exact where softmax underflows',
        inputs: [{ shape: [1, 2], data: [0, 1000] }],
        build: (x) => logSoftmax(x),
        expect: [[-1000, 0]],
        gradient: { expect: [[1, -1]] },
      },
      { name: 'axis 0', inputs: [{ shape: [3, 2, 2] }], build: (x) => logSoftmax(x, { axis: 0 }), secondOrder: true },
    ],
  },
];
