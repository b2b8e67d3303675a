import { apply1, type CaseTable } from '@shoal/core';
import { upsampleBilinear, upsampleBilinearGradient, upsampleBilinearOp } from './upsample-bilinear.ts';
import { upsampleNearest, upsampleNearestGradient, upsampleNearestOp } from './upsample-nearest.ts';

/** Two rows of three. */
const plane = { shape: [1, 2, 3, 1], data: [1, 2, 3, 4, 5, 6] };
const square = { shape: [1, 2, 2, 1], data: [1, 2, 3, 4] };
const size = (height: number, width: number) => ({ height, width });

export const upsampleCases: readonly CaseTable[] = [
  {
    name: 'residual/upsample-nearest',
    op: upsampleNearestOp,
    cases: [
      {
        name: 'floor, 2x3 to 3x5',
        inputs: [plane],
        build: (x) => upsampleNearest(x, { output: size(3, 5) }),
        expect: [[1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6]],
        gradient: { expect: [[4, 4, 2, 2, 2, 1]] },
      },
      {
        name: 'exact, 2x3 to 3x5',
        inputs: [plane],
        build: (x) => upsampleNearest(x, { output: size(3, 5), mode: 'exact' }),
        expect: [[1, 1, 2, 3, 3, 4, 4, 5, 6, 6, 4, 4, 5, 6, 6]],
        gradient: { expect: [[2, 1, 2, 4, 2, 4]] },
      },
      {
        name: 'a factor per axis',
        inputs: [square],
        build: (x) => upsampleNearest(x, { scale: size(1, 3) }),
        expect: [[1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]],
      },
      { name: 'shrinking leaves cells out', inputs: [plane], build: (x) => upsampleNearest(x, { output: size(1, 2) }), expect: [[1, 2]] },
      { name: 'twice, H≠W, N≠C', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => upsampleNearest(x, { scale: 2 }), secondOrder: true },
      {
        name: 'exact, any size',
        inputs: [{ shape: [2, 5, 3, 2] }],
        build: (x) => upsampleNearest(x, { output: size(4, 7), mode: 'exact' }),
      },
    ],
  },
  {
    name: 'residual/upsample-nearest-gradient',
    op: upsampleNearestGradient,
    cases: [
      {
        name: 'sums over the copies',
        inputs: [{ shape: [1, 2, 4, 1], data: [1, 2, 3, 4, 10, 20, 30, 40] }],
        build: (dy) => apply1(upsampleNearestGradient, [dy], { output: size(2, 4), mode: 'floor', inputShape: [1, 1, 2, 1] }),
        expect: [[33, 77]],
      },
      {
        name: 'cells left out get nothing',
        inputs: [{ shape: [1, 1, 2, 1], data: [5, 7] }],
        build: (dy) => apply1(upsampleNearestGradient, [dy], { output: size(1, 2), mode: 'exact', inputShape: [1, 1, 5, 1] }),
        expect: [[0, 5, 0, 7, 0]],
      },
      {
        name: 'any size',
        inputs: [{ shape: [2, 4, 7, 3] }],
        build: (dy) => apply1(upsampleNearestGradient, [dy], { output: size(4, 7), mode: 'floor', inputShape: [2, 3, 5, 3] }),
      },
    ],
  },
  {
    name: 'residual/upsample-bilinear',
    op: upsampleBilinearOp,
    cases: [
      {
        name: 'half-pixel centres, 2x2 to 4x4',
        inputs: [square],
        build: (x) => upsampleBilinear(x, { scale: 2 }),
        expect: [[1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4]],
      },
      {
        name: 'aligned corners, 2x2 to 3x5',
        inputs: [square],
        build: (x) => upsampleBilinear(x, { output: size(3, 5), alignCorners: true }),
        expect: [[1, 1.25, 1.5, 1.75, 2, 2, 2.25, 2.5, 2.75, 3, 3, 3.25, 3.5, 3.75, 4]],
      },
      {
        name: 'aligned corners, one cell reads the first',
        inputs: [plane],
        build: (x) => upsampleBilinear(x, { output: 1, alignCorners: true }),
        expect: [[1]],
      },
      {
        name: 'half-pixel centres, one cell reads the middle',
        inputs: [plane],
        build: (x) => upsampleBilinear(x, { output: 1 }),
        expect: [[3.5]],
      },
      {
        name: 'shrinking reads two neighbours',
        inputs: [{ shape: [1, 1, 8, 1], data: [1, 2, 4, 8, 16, 32, 64, 128] }],
        build: (x) => upsampleBilinear(x, { output: size(1, 2) }),
        expect: [[3, 48]],
        gradient: { expect: [[0, 0.5, 0.5, 0, 0, 0.5, 0.5, 0]] },
      },
      { name: 'twice, H≠W, N≠C', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => upsampleBilinear(x, { scale: 2 }), secondOrder: true },
      {
        name: 'aligned corners, any size',
        inputs: [{ shape: [2, 5, 3, 2] }],
        build: (x) => upsampleBilinear(x, { output: size(4, 7), alignCorners: true }),
      },
    ],
  },
  {
    name: 'residual/upsample-bilinear-gradient',
    op: upsampleBilinearGradient,
    cases: [
      {
        name: 'shares',
        inputs: [{ shape: [1, 1, 4, 1], data: [1, 2, 4, 8] }],
        build: (dy) => apply1(upsampleBilinearGradient, [dy], { output: size(1, 4), alignCorners: false, inputShape: [1, 1, 2, 1] }),
        expect: [[1 + 1.5 + 1, 0.5 + 3 + 8]],
      },
      {
        name: 'any size',
        inputs: [{ shape: [2, 4, 7, 3] }],
        build: (dy) => apply1(upsampleBilinearGradient, [dy], { output: size(4, 7), alignCorners: false, inputShape: [2, 5, 3, 3] }),
      },
    ],
  },
];
