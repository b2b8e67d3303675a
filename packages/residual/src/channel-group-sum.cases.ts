import type { CaseTable } from '@shoal/core';
import { channelGroupSum } from './channel-group-sum.ts';

const x = { shape: [1, 1, 2, 4], data: [1, 10, 100, 1000, 2, 20, 200, 2000] };

export const channelGroupSumCases: CaseTable = {
  name: 'channelGroupSum',
  op: null,
  cases: [
    { name: 'neighbours', inputs: [x], build: (a) => channelGroupSum(a, { groups: 2 }), expect: [[11, 1100, 22, 2200]] },
    {
      name: 'interleaved',
      inputs: [x],
      build: (a) => channelGroupSum(a, { groups: 2, layout: 'interleaved' }),
      expect: [[101, 1010, 202, 2020]],
    },
    { name: 'one group', inputs: [x], build: (a) => channelGroupSum(a, { groups: 1 }), expect: [[1111, 2222]] },
    { name: 'as many groups as channels', inputs: [x], build: (a) => channelGroupSum(a, { groups: 4 }), expect: [x.data] },
    { name: 'H≠W, N≠C', inputs: [{ shape: [2, 3, 4, 6] }], build: (a) => channelGroupSum(a, { groups: 2, layout: 'interleaved' }) },
  ],
};
