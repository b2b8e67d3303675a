/** Uniform numbers in [-1, 1), exact in float32 and the same in every engine that runs JavaScript: a multiplicative generator (Park and Miller, 1988). */
export function numbers(count: number, seed: number): Float32Array {
  const modulus = 2 ** 31 - 1;
  let state = (seed * 7919 + 12345) % modulus;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % modulus;
    return (state >> 7) / 2 ** 23 - 1;
  });
}
