import { checkOptions, expression as e, map, ShoalError, type Value } from '@shoal/core';

type Expression = e.Expression;
/** A tensor, or a number that takes its partner's dtype. */
export type Operand = Value | number;

const unary =
  (build: (a: Expression) => Expression) =>
  (x: Value): Value =>
    map([x], (a) => build(a));

/** Numbers go into the expression itself, so that no tensor is made for them. */
const binary =
  (build: (a: e.Operand, b: e.Operand) => Expression) =>
  (a: Operand, b: Operand): Value => {
    const tensors = [a, b].filter((operand) => typeof operand !== 'number');
    return map(tensors, (first, second) => {
      const left = typeof a === 'number' ? a : first;
      const right = typeof b === 'number' ? b : typeof a === 'number' ? first : second;
      return build(left, right);
    });
  };

// Elementwise names. Binary ones broadcast by numpy's rule (aligned at the last axis, sizes equal or 1) and take numbers on
// either side; every one is a single `core/map`, so chains of them fuse. They throw a ShapeError where shapes do not broadcast.

export const add = binary(e.add);
export const subtract = binary(e.sub);
export const multiply = binary(e.mul);
/** `a / b`, f32. */
export const divide = binary(e.div);
/** `a` to the power `b`, f32. */
export const power = binary(e.pow);
/** The larger of two; NaN where either is NaN. The gradient goes to `b` where both are equal. */
export const maximum = binary(e.max);
/** The smaller of two; NaN where either is NaN. The gradient goes to `b` where both are equal. */
export const minimum = binary(e.min);

export const negate = unary(e.neg);
/** |x|; slope 0 at 0. */
export const abs = unary(e.abs);
export const exp = unary(e.exp);
/** Natural logarithm. */
export const log = unary(e.log);
export const sqrt = unary(e.sqrt);
export const square = unary((a) => e.mul(a, a));
export const tanh = unary(e.tanh);
/** `max(x, 0)`; slope 0 at 0; NaN stays NaN. */
export const relu = unary((a) => e.max(a, 0));

/**
 * 1 / (1 + e^-x), written with z = e^-|x| so that nothing overflows in the value or its derivative. |x| is spelled
 * `-min(x, -x)`, whose slope at 0 belongs to the branch taken there: the derivative at 0 is 1/4.
 */
const logistic = (a: Expression): Expression => {
  const z = e.exp(e.min(a, e.neg(a)));
  return e.div(e.select(e.ge(a, 0), 1, z), e.add(z, 1));
};

/** 1 / (1 + e^-x). */
export const sigmoid = unary(logistic);
/** x * sigmoid(x), also called swish (Ramachandran et al., "Searching for activation functions", 2017). */
export const silu = unary((a) => e.mul(a, logistic(a)));

/** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): the tanh form of Hendrycks and Gimpel, "Gaussian error linear units", 2016. */
export const gelu = unary((a) => {
  const inner = e.mul(Math.sqrt(2 / Math.PI), e.add(a, e.mul(0.044715, e.mul(a, e.mul(a, a)))));
  return e.mul(e.mul(0.5, a), e.add(1, e.tanh(inner)));
});

/** `x` where positive, `slope * x` elsewhere; the slope at 0 is `slope`. */
export function leakyRelu(x: Value, options: { readonly slope?: number } = {}): Value {
  checkOptions('math/leaky-relu', options, ['slope']);
  const { slope = 0.01 } = options;
  return map([x], (a) => e.select(e.gt(a, 0), a, e.mul(slope, a)));
}

/**
 * `x`, moved into [min, max]. The gradient is 0 outside and at both bounds; NaN stays NaN.
 *
 * @throws ShoalError `ATTRIBUTE` when `min` is above `max`
 */
export function clamp(x: Value, options: { readonly min?: number; readonly max?: number }): Value {
  checkOptions('math/clamp', options, ['min', 'max']);
  const { min = -Infinity, max = Infinity } = options;
  if (!(min <= max)) throw new ShoalError('ATTRIBUTE', { op: 'math/clamp', fact: `min ${min} is above max ${max}`, next: 'Swap them' });
  return map([x], (a) => {
    const low = min === -Infinity ? a : e.max(a, min);
    return max === Infinity ? low : e.min(low, max);
  });
}
