/** Numbers in [-1, 1) that float32 holds, the same for the same seed. */
export function noise(length: number, seed = 1): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return ((state >>> 8) / 2 ** 24) * 2 - 1;
  });
}
