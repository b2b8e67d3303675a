/** Uniform numbers in [-1, 1), exact in float32 and the same in every engine that runs JavaScript: a multiplicative generator (Park and Miller, 1988). */
export function numbers(count: number, seed: number): Float32Array {
  const modulus = 2 ** 31 - 1;
  let state = (seed * 7919 + 12345) % modulus;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    state = (state * 48271) % modulus;
    values[i] = (state >> 7) / 2 ** 23 - 1;
  }
  return values;
}
