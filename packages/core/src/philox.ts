export type Block = readonly [number, number, number, number];

/** The upper word of the 64-bit product of two u32, as i32: by halves, whose products and sums stay below 2^32. */
function upperProduct(a: number, b: number): number {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = (Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16)) | 0;
  const cross = (Math.imul(al, bh) + (middle & 0xffff)) | 0;
  return (Math.imul(ah, bh) + (middle >>> 16) + (cross >>> 16)) | 0;
}

/**
 * {@link philox4x32} in place: the counter in the four words from `at` on becomes the four random words. For whoever draws millions.
 */
export function philoxBlock(words: Uint32Array, at: number, key: readonly [number, number]): void {
  let [c0, c1, c2, c3] = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!];
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = upperProduct(0xd2511f53, c0);
    const high1 = upperProduct(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  words[at] = c0;
  words[at + 1] = c1;
  words[at + 2] = c2;
  words[at + 3] = c3;
}

/**
 * Philox4x32-10: ten rounds of a keyed bijection of 128-bit counters (Salmon et al., SC 2011, with Random123's constants).
 *
 * @returns four random u32 words
 */
export function philox4x32(counter: Block, key: readonly [number, number]): Block {
  const words = Uint32Array.from(counter);
  philoxBlock(words, 0, key);
  return [words[0]!, words[1]!, words[2]!, words[3]!];
}
