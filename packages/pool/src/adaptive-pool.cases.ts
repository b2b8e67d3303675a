import type { CaseTable, Size2dOption, Value } from '@shoal/core';
import { adaptiveAveragePool2d, adaptiveMaxPool2d, adaptiveMaxPool2dWithWinner } from './adaptive-pool.ts';

const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const average =
  (output: Size2dOption) =>
  (x: Value): Value =>
    adaptiveAveragePool2d(x, { output });
const max =
  (output: Size2dOption) =>
  (x: Value): Value =>
    adaptiveMaxPool2d(x, { output });
const both =
  (output: Size2dOption) =>
  (x: Value): readonly Value[] => {
    const pooled = adaptiveMaxPool2dWithWinner(x, { output });
    return [pooled.output, pooled.winner];
  };

export const adaptivePoolCases: readonly CaseTable[] = [
  {
    name: 'pool/adaptive-average',
    op: null,
    cases: [
      {
        name: 'sizes that divide',
        inputs: [{ shape: [1, 2, 4, 1], data: ramp(8) }],
        build: average({ height: 1, width: 2 }),
        expect: [[2.5, 4.5]],
      },
      {
        name: 'overlapping windows of one size',
        inputs: [{ shape: [1, 1, 5, 1], data: ramp(5) }],
        build: average({ height: 1, width: 2 }),
        expect: [[1, 3]],
      },
      {
        name: 'windows of 2, 3 and 2',
        inputs: [{ shape: [1, 1, 5, 1], data: ramp(5) }],
        build: average({ height: 1, width: 3 }),
        expect: [[0.5, 2, 3.5]],
      },
      {
        name: 'windows of 2, 3 and 2, down',
        inputs: [{ shape: [1, 5, 1, 1], data: ramp(5) }],
        build: average({ height: 3, width: 1 }),
        expect: [[0.5, 2, 3.5]],
      },
      {
        name: 'windows of 3, unevenly spaced',
        inputs: [{ shape: [1, 1, 10, 1], data: ramp(10) }],
        build: average({ height: 1, width: 4 }),
        expect: [[1, 3, 6, 8]],
      },
      {
        name: 'more cells out than in',
        inputs: [{ shape: [1, 1, 2, 1], data: [2, 4] }],
        build: average({ height: 2, width: 3 }),
        expect: [[2, 3, 4, 2, 3, 4]],
      },
      {
        name: 'the same size',
        inputs: [{ shape: [1, 2, 3, 1], data: ramp(6) }],
        build: average({ height: 2, width: 3 }),
        expect: [ramp(6)],
      },
      { name: 'uneven both ways', inputs: [{ shape: [1, 5, 7, 2] }], build: average({ height: 3, width: 4 }), secondOrder: true },
      { name: 'uneven one way', inputs: [{ shape: [2, 6, 5, 3] }], build: average({ height: 2, width: 3 }), secondOrder: true },
      { name: 'to one cell', inputs: [{ shape: [2, 3, 4, 5] }], build: average(1), secondOrder: true },
      { name: 'larger and smaller', inputs: [{ shape: [2, 3, 7, 1] }], build: average(5), secondOrder: true },
    ],
  },
  {
    name: 'pool/adaptive-max',
    op: null,
    cases: [
      {
        name: 'windows of 2, 3 and 2 both ways',
        inputs: [{ shape: [1, 5, 5, 1], data: ramp(25) }],
        build: both(3),
        expect: [
          [6, 8, 9, 16, 18, 19, 21, 23, 24],
          [6, 8, 9, 16, 18, 19, 21, 23, 24],
        ],
      },
      {
        name: 'a plateau: each window takes its first cell',
        inputs: [{ shape: [1, 5, 5, 1], data: ramp(25).map(() => -1) }],
        build: both(3),
        expect: [ramp(9).map(() => -1), [0, 1, 3, 5, 6, 8, 15, 16, 18]],
        gradient: { expect: [ramp(25).map((i) => ([0, 1, 3, 5, 6, 8, 15, 16, 18].includes(i) ? 1 : 0))] },
      },
      {
        name: 'a tie goes to the first row before the first column',
        inputs: [{ shape: [1, 2, 3, 1], data: [1, 5, 0, 5, 1, 0] }],
        build: both({ height: 1, width: 2 }),
        expect: [
          [5, 5],
          [1, 1],
        ],
        gradient: { expect: [[0, 2, 0, 0, 0, 0]] },
      },
      {
        name: 'a tie across uneven windows goes to the first row before the first column',
        inputs: [{ shape: [1, 2, 5, 1], data: [1, 5, 0, 0, 0, 5, 1, 5, 9, 9] }],
        build: both({ height: 1, width: 3 }),
        expect: [
          [5, 9, 9],
          [1, 8, 8],
        ],
        gradient: { expect: [[0, 1, 0, 0, 0, 0, 0, 0, 2, 0]] },
      },
      {
        name: 'the first NaN wins',
        needs: 'nan',
        inputs: [{ shape: [1, 2, 5, 1], data: [1, 2, 3, NaN, 5, NaN, 7, 8, 9, 6] }],
        build: both({ height: 1, width: 3 }),
        expect: [
          [NaN, NaN, NaN],
          [5, 3, 3],
        ],
        gradient: { expect: [[0, 0, 0, 2, 0, 1, 0, 0, 0, 0]] },
      },
      {
        name: 'more cells out than in',
        inputs: [{ shape: [1, 1, 2, 1], data: [2, 4] }],
        build: both({ height: 2, width: 3 }),
        expect: [
          [2, 4, 4, 2, 4, 4],
          [0, 1, 1, 0, 1, 1],
        ],
        gradient: { expect: [[2, 4]] },
      },
      { name: 'uneven both ways', inputs: [{ shape: [1, 5, 7, 2] }], build: max({ height: 3, width: 4 }), secondOrder: true },
      { name: 'sizes that divide', inputs: [{ shape: [2, 6, 4, 5] }], build: max({ height: 3, width: 2 }), secondOrder: true },
    ],
  },
];
