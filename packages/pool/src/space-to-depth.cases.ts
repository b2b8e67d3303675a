import type { CaseTable } from '@shoal/core';
import { depthToSpace, spaceToDepth } from './space-to-depth.ts';

const eight = [1, 2, 3, 4, 5, 6, 7, 8];
const block = { height: 2, width: 3 };

export const spaceToDepthCases: readonly CaseTable[] = [
  {
    name: 'pool/space-to-depth',
    op: null,
    cases: [
      {
        name: 'block first',
        inputs: [{ shape: [1, 2, 2, 2], data: eight }],
        build: (x) => spaceToDepth(x, { block: 2 }),
        expect: [eight],
      },
      {
        name: 'channel first',
        inputs: [{ shape: [1, 2, 2, 2], data: eight }],
        build: (x) => spaceToDepth(x, { block: 2, order: 'channel-first' }),
        expect: [[1, 3, 5, 7, 2, 4, 6, 8]],
      },
      {
        name: 'two blocks',
        inputs: [{ shape: [1, 2, 4, 1], data: eight }],
        build: (x) => spaceToDepth(x, { block: 2 }),
        expect: [[1, 2, 5, 6, 3, 4, 7, 8]],
      },
      {
        name: 'whole numbers',
        inputs: [{ shape: [1, 2, 4, 1], dtype: 'i32', data: eight }],
        build: (x) => spaceToDepth(x, { block: 2 }),
        expect: [[1, 2, 5, 6, 3, 4, 7, 8]],
      },
      { name: '2x3 blocks, block first', inputs: [{ shape: [2, 4, 6, 3] }], build: (x) => spaceToDepth(x, { block }), secondOrder: true },
      {
        name: '2x3 blocks, channel first',
        inputs: [{ shape: [2, 4, 6, 3] }],
        build: (x) => spaceToDepth(x, { block, order: 'channel-first' }),
        secondOrder: true,
      },
    ],
  },
  {
    name: 'pool/depth-to-space',
    op: null,
    cases: [
      {
        name: 'block first',
        inputs: [{ shape: [1, 1, 1, 8], data: eight }],
        build: (x) => depthToSpace(x, { block: 2 }),
        expect: [eight],
      },
      {
        name: 'channel first',
        inputs: [{ shape: [1, 1, 1, 8], data: eight }],
        build: (x) => depthToSpace(x, { block: 2, order: 'channel-first' }),
        expect: [[1, 5, 2, 6, 3, 7, 4, 8]],
      },
      {
        name: 'two blocks',
        inputs: [{ shape: [1, 1, 2, 4], data: eight }],
        build: (x) => depthToSpace(x, { block: 2 }),
        expect: [[1, 2, 5, 6, 3, 4, 7, 8]],
      },
      { name: '2x3 blocks, block first', inputs: [{ shape: [2, 3, 2, 18] }], build: (x) => depthToSpace(x, { block }), secondOrder: true },
      {
        name: '2x3 blocks, channel first',
        inputs: [{ shape: [2, 3, 2, 18] }],
        build: (x) => depthToSpace(x, { block, order: 'channel-first' }),
        secondOrder: true,
      },
      {
        name: 'undoes space to depth',
        inputs: [{ shape: [1, 4, 2, 1], data: eight }],
        build: (x) => depthToSpace(spaceToDepth(x, { block: 2, order: 'channel-first' }), { block: 2, order: 'channel-first' }),
        expect: [eight],
      },
    ],
  },
];
