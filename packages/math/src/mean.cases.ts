import type { CaseTable } from '@shoal/core';
import { mean, sum } from './mean.ts';

const ramp = { shape: [2, 3], data: [1, 2, 3, 4, 5, 9] };

export const meanCases: readonly CaseTable[] = [
  {
    name: 'math/sum',
    op: null,
    cases: [
      { name: 'everything', inputs: [ramp], build: (x) => sum(x), expect: [[24]] },
      { name: 'the last axis, kept', inputs: [ramp], build: (x) => sum(x, { axes: [-1], keep: true }), expect: [[6, 18]] },
      { name: 'the outer axes', inputs: [{ shape: [2, 4, 3, 5] }], build: (x) => sum(x, { axes: [0, 2] }) },
    ],
  },
  {
    name: 'math/mean',
    op: null,
    cases: [
      {
        name: 'everything',
        inputs: [ramp],
        build: (x) => mean(x),
        expect: [[4]],
        gradient: { expect: [Array.from({ length: 6 }, () => 1 / 6)] },
      },
      { name: 'the first axis', inputs: [ramp], build: (x) => mean(x, { axes: [0] }), expect: [[2.5, 3.5, 6]] },
      { name: 'the spatial axes, kept', inputs: [{ shape: [2, 4, 3, 5] }], build: (x) => mean(x, { axes: [1, 2], keep: true }) },
    ],
  },
];
