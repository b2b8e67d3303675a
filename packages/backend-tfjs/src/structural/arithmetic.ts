import type { expression as e } from '@shoal/core';
import type { Engine, Tensor } from '../engine.ts';
import { select } from '../shaping.ts';

type Unary = (a: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

/** The expression language over f32 tensors of one engine; comparisons give `bool` tensors. */
export interface Arithmetic
  extends Record<e.UnaryOp, Unary>, Record<e.CompareOp, Binary>, Record<'add' | 'sub' | 'mul' | 'div' | 'max' | 'min', Binary> {
  literal(value: number): Tensor;
  /** `exponent`: the number that b is, where that is known. */
  pow(a: Tensor, b: Tensor, exponent: number | null): Tensor;
  select(condition: Tensor, a: Tensor, b: Tensor): Tensor;
}

/** Whole exponents up to here are multiplications: exact where they can be, and right for negative bases on every engine. */
const wholeExponents = 8;

/** What the engine gets wrong is put together from what it gets right. */
export function arithmetic(engine: Engine): Arithmetic {
  const { tf, extremaKeepNaN, logReachesEnds, powReachesEnds } = engine;
  const literal = (value: number): Tensor => tf.scalar(value, 'float32');
  const isNaN = (a: Tensor): Tensor => tf.notEqual(a, a);

  const choose = (condition: Tensor, a: Tensor, b: Tensor): Tensor => select(tf, condition, a, b);
  /** `a` where it is strictly ahead of b or NaN; else b, which may be NaN itself. */
  const extremum = (native: Binary, ahead: Binary): Binary =>
    extremaKeepNaN ? native : (a, b) => choose(tf.logicalOr(ahead(a, b), isNaN(a)), a, b);

  const log: Unary = (a) => {
    if (logReachesEnds) return tf.log(a);
    const above = choose(tf.equal(a, literal(Infinity)), a, tf.log(a));
    return choose(tf.equal(a, literal(0)), literal(-Infinity), above);
  };

  const whole = (a: Tensor, exponent: number): Tensor => {
    if (exponent < 0) return tf.div(literal(1), whole(a, -exponent));
    if (exponent === 0) return tf.onesLike(a);
    const half = exponent === 1 ? a : whole(a, Math.floor(exponent / 2));
    if (exponent === 1) return half;
    return exponent % 2 === 0 ? tf.mul(half, half) : tf.mul(tf.mul(half, half), a);
  };
  const pow = (a: Tensor, b: Tensor, exponent: number | null): Tensor => {
    if (exponent !== null && Number.isInteger(exponent) && Math.abs(exponent) <= wholeExponents) return whole(a, exponent);
    const plain = tf.pow(a, b);
    if (powReachesEnds) return plain;
    const pole = tf.logicalAnd(tf.equal(a, literal(0)), tf.less(b, literal(0)));
    const finite = choose(pole, tf.div(literal(1), tf.pow(a, tf.neg(b))), plain);
    // As JavaScript has it: any base to the power of NaN is NaN, and so is 1 or -1 to an infinite one.
    const endless = tf.logicalAnd(tf.equal(tf.abs(a), literal(1)), tf.equal(tf.abs(b), literal(Infinity)));
    return choose(tf.logicalOr(isNaN(b), endless), literal(Number.NaN), finite);
  };

  return {
    literal,
    select: choose,
    pow,
    log,
    neg: (a) => tf.neg(a),
    abs: (a) => tf.abs(a),
    exp: (a) => tf.exp(a),
    sqrt: (a) => tf.sqrt(a),
    tanh: (a) => tf.tanh(a),
    floor: (a) => tf.floor(a),
    ceil: (a) => tf.ceil(a),
    round: (a) => tf.round(a),
    add: (a, b) => tf.add(a, b),
    sub: (a, b) => tf.sub(a, b),
    mul: (a, b) => tf.mul(a, b),
    div: (a, b) => tf.div(a, b),
    max: extremum(
      (a, b) => tf.maximum(a, b),
      (a, b) => tf.greater(a, b),
    ),
    min: extremum(
      (a, b) => tf.minimum(a, b),
      (a, b) => tf.less(a, b),
    ),
    lt: (a, b) => tf.less(a, b),
    le: (a, b) => tf.lessEqual(a, b),
    gt: (a, b) => tf.greater(a, b),
    ge: (a, b) => tf.greaterEqual(a, b),
    eq: (a, b) => tf.equal(a, b),
    ne: (a, b) => tf.notEqual(a, b),
  };
}
