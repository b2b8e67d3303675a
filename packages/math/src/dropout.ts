import { checkOptions, expression as e, map, randomBits, ShoalError, type Value } from '@shoal/core';

export interface DropoutOptions {
  /** The probability of dropping an element, in [0, 1). */
  readonly rate: number;
  /** The step counter, u32 of shape []: a variable that the program increments, so that every step draws anew. */
  readonly step: Value;
  /** Tells apart the random nodes of a program: layers with different streams draw independently. */
  readonly stream: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * Zeroes elements with probability `rate` and divides the rest by `1 - rate` (Srivastava et al., 2014). At inference, leave it out.
 *
 * The upper 24 random bits are compared with `round(rate * 2^24)` as integers: the same elements are dropped on every backend.
 *
 * @throws ShoalError `ATTRIBUTE` when `rate` is outside [0, 1)
 */
export function dropout(x: Value, options: DropoutOptions): Value {
  checkOptions('math/dropout', options, ['rate', 'step', 'stream', 'seed']);
  const { rate, step, stream, seed = 0 } = options;
  if (!(rate >= 0 && rate < 1))
    throw new ShoalError('ATTRIBUTE', { op: 'math/dropout', fact: `rate ${rate} is outside [0, 1)`, next: 'Give the share to drop' });
  if (rate === 0) return x;
  const threshold = Math.round(rate * 2 ** 24);
  return map([x, randomBits(step, { seed, stream, shape: x.shape })], (a, bits) =>
    e.select(e.ge(e.shiftRight(bits, 8), threshold), e.mul(1 / (1 - rate), a), 0),
  );
}
