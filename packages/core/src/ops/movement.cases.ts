import type { CaseTable } from '../case.ts';
import { concat, concatOp } from './concat.ts';
import { fill, fillOp } from './fill.ts';
import { pad, padOp } from './pad.ts';
import { apply1 } from '../graph.ts';
import { reshape, reshapeOp } from './reshape.ts';
import { slice, sliceOp } from './slice.ts';
import { transpose, transposeOp } from './transpose.ts';

const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

export const fillCases: CaseTable = {
  name: 'core/fill',
  op: fillOp,
  cases: [
    { name: 'f32', inputs: [], build: () => fill(0.5, [2, 3]), expect: [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5]] },
    { name: 'rank 0', inputs: [], build: () => fill(-2), expect: [[-2]] },
    { name: 'i32', inputs: [], build: () => fill(-7, [5], 'i32'), expect: [[-7, -7, -7, -7, -7]] },
    { name: 'u32 above 2^31', inputs: [], build: () => fill(0xfffffffe, [2], 'u32'), expect: [[0xfffffffe, 0xfffffffe]] },
    { name: 'no elements', inputs: [], build: () => fill(1, [3, 0]), expect: [[]] },
  ],
};

export const reshapeCases: CaseTable = {
  name: 'core/reshape',
  op: reshapeOp,
  cases: [
    { name: 'rows to columns', inputs: [{ shape: [2, 3], data: ramp(6) }], build: (x) => reshape(x, [3, -1]), expect: [ramp(6)] },
    {
      name: 'of a transposed tensor',
      inputs: [{ shape: [2, 3], data: ramp(6) }],
      build: (x) => reshape(transpose(x, [1, 0]), [6]),
      expect: [[1, 4, 2, 5, 3, 6]],
    },
    {
      name: 'transposed after it',
      inputs: [{ shape: [6], data: ramp(6) }],
      build: (x) => transpose(reshape(x, [2, 3]), [1, 0]),
      expect: [[1, 4, 2, 5, 3, 6]],
    },
  ],
};

export const transposeCases: CaseTable = {
  name: 'core/transpose',
  op: transposeOp,
  cases: [
    { name: 'a matrix', inputs: [{ shape: [2, 3], data: ramp(6) }], build: (x) => transpose(x, [1, 0]), expect: [[1, 4, 2, 5, 3, 6]] },
    {
      name: 'i32',
      inputs: [{ shape: [2, 3], dtype: 'i32', data: ramp(6) }],
      build: (x) => transpose(x, [1, 0]),
      expect: [[1, 4, 2, 5, 3, 6]],
    },
    {
      name: 'images to NCHW',
      inputs: [{ shape: [1, 2, 2, 3], data: ramp(12) }],
      build: (x) => transpose(x, [0, 3, 1, 2]),
      expect: [[1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]],
    },
    { name: 'images from NCHW', inputs: [{ shape: [2, 5, 3, 4] }], build: (x) => transpose(x, [0, 2, 3, 1]) },
    {
      name: 'leading axes only',
      inputs: [{ shape: [2, 3, 2], data: ramp(12) }],
      build: (x) => transpose(x, [1, 0, 2]),
      expect: [[1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12]],
    },
    { name: 'four axes, every one moved', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => transpose(x, [3, 0, 1, 2]) },
    { name: 'four axes, reversed', inputs: [{ shape: [2, 3, 4, 5] }], build: (x) => transpose(x, [3, 2, 1, 0]), secondOrder: true },
  ],
};

export const sliceCases: CaseTable = {
  name: 'core/slice',
  op: sliceOp,
  cases: [
    {
      name: 'a box',
      inputs: [{ shape: [3, 4], data: ramp(12) }],
      build: (x) => slice(x, { start: [1, 1], size: [2, 2] }),
      expect: [[6, 7, 10, 11]],
    },
    {
      name: 'strides',
      inputs: [{ shape: [5, 7], data: ramp(35) }],
      build: (x) => slice(x, { start: [1, 0], size: [2, 3], stride: [2, 3] }),
      expect: [[8, 11, 14, 22, 25, 28]],
    },
    { name: 'some channels', inputs: [{ shape: [2, 3, 2, 9] }], build: (x) => slice(x, { start: [0, 0, 0, 3], size: [2, 3, 2, 5] }) },
    { name: 'one image', inputs: [{ shape: [3, 2, 2, 5] }], build: (x) => slice(x, { start: [1, 0, 0, 0], size: [1, 2, 2, 5] }) },
    {
      name: 'of i32',
      inputs: [{ shape: [6], dtype: 'i32', data: ramp(6) }],
      build: (x) => slice(x, { start: [2], size: [3] }),
      expect: [[3, 4, 5]],
    },
    {
      name: 'nothing',
      inputs: [{ shape: [4], data: ramp(4) }],
      build: (x) => slice(x, { start: [2], size: [0] }),
      expect: [[]],
      gradient: { expect: [[0, 0, 0, 0]] },
    },
  ],
};

export const padCases: CaseTable = {
  name: 'core/pad',
  op: padOp,
  cases: [
    {
      name: 'around a matrix',
      inputs: [{ shape: [2, 2], data: ramp(4) }],
      build: (x) => pad(x, { before: [1, 0], after: [0, 2], value: 9 }),
      expect: [[9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9]],
    },
    {
      name: 'between the elements',
      inputs: [{ shape: [2, 3], data: ramp(6) }],
      build: (x) => apply1(padOp, [x], { before: [0, 1], after: [0, 0], interior: [0, 1], value: 0 }),
      expect: [[0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]],
    },
    {
      name: 'around images',
      inputs: [{ shape: [2, 3, 4, 5] }],
      build: (x) => pad(x, { before: [0, 1, 2, 0], after: [0, 2, 1, 0] }),
      secondOrder: true,
    },
    { name: 'more channels', inputs: [{ shape: [2, 3, 5] }], build: (x) => pad(x, { before: [0, 0, 1], after: [0, 0, 2], value: -1 }) },
    {
      name: 'i32',
      inputs: [{ shape: [3], dtype: 'i32', data: ramp(3) }],
      build: (x) => pad(x, { before: [1], after: [1], value: -1 }),
      expect: [[-1, 1, 2, 3, -1]],
    },
    { name: 'around nothing', inputs: [{ shape: [0] }], build: (x) => pad(x, { before: [1], after: [1], value: 4 }), expect: [[4, 4]] },
    {
      name: 'reflected',
      inputs: [{ shape: [4], data: ramp(4) }],
      build: (x) => pad(x, { before: [2], after: [1], mode: 'reflect' }),
      expect: [[3, 2, 1, 2, 3, 4, 3]],
    },
    {
      name: 'circular',
      inputs: [{ shape: [4], data: ramp(4) }],
      build: (x) => pad(x, { before: [2], after: [1], mode: 'circular' }),
      expect: [[3, 4, 1, 2, 3, 4, 1]],
    },
  ],
};

export const concatCases: CaseTable = {
  name: 'core/concat',
  op: concatOp,
  cases: [
    {
      name: 'rows',
      inputs: [
        { shape: [1, 2], data: ramp(2) },
        { shape: [2, 2], data: [3, 4, 5, 6] },
      ],
      build: (x, y) => concat([x, y], 0),
      expect: [ramp(6)],
    },
    {
      name: 'columns',
      inputs: [
        { shape: [2, 1], data: ramp(2) },
        { shape: [2, 2], data: [3, 4, 5, 6] },
      ],
      build: (x, y) => concat([x, y], 1),
      expect: [[1, 3, 4, 2, 5, 6]],
    },
    {
      name: 'channels of three images',
      inputs: [{ shape: [2, 3, 2, 3] }, { shape: [2, 3, 2, 4] }, { shape: [2, 3, 2, 1] }],
      build: (...values) => concat(values, -1),
      secondOrder: true,
    },
    {
      name: 'one of them empty',
      inputs: [{ shape: [0, 3] }, { shape: [1, 3], data: ramp(3) }],
      build: (x, y) => concat([x, y], 0),
      expect: [[1, 2, 3]],
    },
    { name: 'a tensor with itself', inputs: [{ shape: [2], data: [1, 2] }], build: (x) => concat([x, x], 0), expect: [[1, 2, 1, 2]] },
    {
      name: 'u32',
      inputs: [
        { shape: [1], dtype: 'u32', data: [0xffffffff] },
        { shape: [1], dtype: 'u32', data: [5] },
      ],
      build: (x, y) => concat([x, y], 0),
      expect: [[0xffffffff, 5]],
    },
  ],
};
