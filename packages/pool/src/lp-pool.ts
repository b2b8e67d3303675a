import { apply1, checkOptions, expression as e, map, ShoalError, type Value } from '@shoal/core';
import { averagePool } from './average-pool.ts';
import { globalWindow, pooledShape, resolvePool, type PoolAttributes, type PoolOptions } from './window.ts';

export interface LpNormOptions {
  /** Exponent of the norm, a finite number of at least 1; default 2. */
  readonly p?: number;
}

export interface LpPoolOptions extends PoolOptions, LpNormOptions {}

/**
 * The p-norm of each window, (sum |x|^p)^(1/p): `x` f32 [n, h, w, c] -> [n, oh, ow, c] (Sermanet, Chintala and LeCun, "Convolutional
 * neural networks applied to house numbers digit classification", ICPR 2012). Padding contributes nothing.
 *
 * A composition of elementwise maps and a sum over windows, so every derivative exists. Where a window is all zero the norm has a
 * kink: its gradient there is 0, and so is that of |x|^p at 0.
 *
 * @throws ShapeError as {@link averagePool2d}; ShoalError `ATTRIBUTE` for an unknown option or a `p` that is not a finite number >= 1
 */
export function lpPool2d(x: Value, { p = 2, ...options }: LpPoolOptions): Value {
  const attributes = resolvePool('pool/lp', x, options, ['p']);
  pooledShape('pool/lp', x, attributes); // complains under the name the caller knows
  return norm('pool/lp', x, p, attributes);
}

/** {@link lpPool2d} over the whole plane: `x` f32 [n, h, w, c] -> [n, 1, 1, c]. */
export function globalLpPool2d(x: Value, { p = 2, ...options }: LpNormOptions = {}): Value {
  checkOptions('pool/global-lp', options, ['p']);
  return norm('pool/global-lp', x, p, globalWindow('pool/global-lp', x));
}

function norm(op: string, x: Value, p: number, window: PoolAttributes): Value {
  if (!(p >= 1 && p < Infinity)) {
    throw new ShoalError('ATTRIBUTE', {
      op,
      fact: `p ${p} is not a finite number of at least 1`,
      next: 'For an infinite p use max pooling',
    });
  }
  const sums = apply1(averagePool, [map([x], (a) => power(a, p))], { ...window, divisor: 'one' });
  return p === 1 ? sums : map([sums], (a) => root(a, p));
}

/** |x|^p; whole exponents by multiplication, which is exact where it can be. */
function power(x: e.Expression, p: number): e.Expression {
  if (!Number.isInteger(p) || p > 8) return e.select(e.eq(x, 0), 0, e.pow(e.abs(x), p));
  const square = e.mul(x, x);
  const factors = [...(p % 2 === 1 ? [e.abs(x)] : []), ...Array.from({ length: Math.floor(p / 2) }, () => square)];
  return factors.reduce((product, factor) => e.mul(product, factor));
}

/** s^(1/p), with slope 0 at 0 instead of infinity. */
function root(s: e.Expression, p: number): e.Expression {
  return e.select(e.eq(s, 0), 0, p === 2 ? e.sqrt(s) : e.pow(s, 1 / p));
}
