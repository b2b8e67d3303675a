import { randomOp } from '@shoal/core';
import { cudaKernel, elements } from '../kernel.ts';
import { fixed } from '../text.ts';

const philox = `SHOAL_DEVICE unsigned high(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
SHOAL_DEVICE void philox(unsigned* c, unsigned k0, unsigned k1) {
  for (int round = 0; round < 10; round++) {
    const unsigned h0 = high(0xd2511f53u, c[0]), l0 = 0xd2511f53u * c[0];
    const unsigned h1 = high(0xcd9e8d57u, c[2]), l1 = 0xcd9e8d57u * c[2];
    c[0] = h1 ^ c[1] ^ k0;
    c[1] = l1;
    c[2] = h0 ^ c[3] ^ k1;
    c[3] = l0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
}
`;

/** Philox4x32-10; a thread draws a block of four words. */
export const randomKernel = cudaKernel(randomOp, {
  emit({ inputs: [step], outputs: [y], attributes: { seed, stream } }) {
    const body = fixed`unsigned words[4] = {(unsigned)i, 0u, ${step!.read('0')}, 0u};
philox(words, ${`${seed >>> 0}u`}, ${`${stream >>> 0}u`});
SHOAL_UNROLL
for (int k = 0; k < 4; k++) {
  if (4 * i + k < ${String(y!.size)}) { ${y!.write('4 * i + k', 'words[k]')} }
}`;
    return [elements(Math.ceil(y!.size / 4), body, { declarations: philox })];
  },
});
