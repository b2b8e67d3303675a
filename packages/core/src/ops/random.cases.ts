import type { CaseTable } from '../case.ts';
import { randomBits, randomOp, randomUniform } from './random.ts';

/** The all-zero known answer of Random123's kat_vectors: 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
const zeroBlock = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];

export const randomCases: CaseTable = {
  name: 'core/random',
  op: randomOp,
  cases: [
    {
      name: 'the known answer of Philox4x32-10',
      inputs: [{ shape: [], dtype: 'u32', data: [0] }],
      build: (step) => randomBits(step, { seed: 0, stream: 0, shape: [4] }),
      expect: [zeroBlock],
    },
    {
      name: 'three numbers of it',
      inputs: [{ shape: [], dtype: 'u32', data: [0] }],
      build: (step) => randomBits(step, { seed: 0, stream: 0, shape: [3, 1] }),
      expect: [zeroBlock.slice(0, 3)],
    },
    {
      name: 'many blocks, an incomplete one at the end',
      inputs: [{ shape: [], dtype: 'u32', data: [0xfffffff0] }],
      build: (step) => randomBits(step, { seed: 123456789, stream: 7, shape: [5, 17] }),
    },
    {
      name: 'uniform numbers',
      inputs: [{ shape: [], dtype: 'u32', data: [3] }],
      build: (step) => randomUniform(step, { seed: -1, stream: 2, shape: [3, 7] }),
    },
    {
      name: 'uniform numbers are the upper 24 bits',
      inputs: [{ shape: [], dtype: 'u32', data: [0] }],
      build: (step) => randomUniform(step, { seed: 0, stream: 0, shape: [4] }),
      expect: [zeroBlock.map((word) => (word >>> 8) / 2 ** 24)],
    },
  ],
};
