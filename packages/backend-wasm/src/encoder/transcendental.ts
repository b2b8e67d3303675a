import type { FunctionBuilder } from './function.ts';
import type { Local, V128, Value } from './values.ts';

type Vector = Local<'v128'>;

/** ln 2 in two parts. The first has 9 significant bits, so that its products with exponents are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** 1.5 * 2^23: adding it rounds a float below 2^22 to an integer, which then stands in the low bits. */
const MAGIC = 12582912;
const MAGIC_BITS = 0x4b400000;
const SQRT_HALF_BITS = 0x3f3504f3;
const SIGN = 0x80000000;

/** Cephes expf: e^r = 1 + r + r^2 q(r) on |r| <= ln2 / 2. Highest power first, as everywhere here. */
const EXP_Q = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];
/** Cephes logf: ln(1 + y) = y - y^2 / 2 + y^3 p(y) on sqrt(1/2) <= 1 + y < sqrt(2). */
const LOG_P = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1,
  3.3333331174e-1,
];
/** Cephes tanhf: tanh x = x + x^3 p(x^2) for |x| < 0.625. */
const TANH_P = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];
/** ln((1 + s) / (1 - s)) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...), over ln 2. For |s| <= 0.172 the rest is below 2^-40. */
const LOG2_SERIES = [15, 13, 11, 9, 7, 5, 3, 1].map((k) => 2 / (k * Math.LN2));
/** 2^r = sum of (r ln 2)^k / k!. For |r| <= 1/2 the rest is below 2^-36. */
const EXP2_SERIES = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((k) => Math.LN2 ** k / [1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880][k]!);

function horner(madd: FunctionBuilder['f32x4']['madd'], x: Vector, [first = 0, second = 0, ...rest]: readonly number[]): V128 {
  return rest.reduce<V128>((sum, coefficient) => madd(sum, x, coefficient), madd(x, first, second));
}

/**
 * e^x in every lane, within 2 ulp. Overflow gives Infinity, results under 2^-126 are denormal or 0, NaN stays NaN.
 *
 * All functions here write statements into `f` and give a value that is yet to be used once.
 */
export function exp(f: FunctionBuilder, x: Value<'v128'>): V128 {
  const { f32x4, i32x4 } = f;
  // Beyond these bounds the result is infinite or 0. pmin and pmax keep a NaN that stands first.
  const clamped = f.let(f32x4.pmax(f32x4.pmin(x, 89), -104.5));
  const shifted = f.let(f32x4.madd(clamped, Math.LOG2E, MAGIC));
  const n = f.let(f32x4.sub(shifted, MAGIC));
  const r = f.let(f32x4.nmadd(n, LN2_LOW, f32x4.nmadd(n, LN2_HIGH, clamped)));
  const p = f.let(f32x4.add(f32x4.madd(horner(f32x4.madd, r, EXP_Q), f32x4.mul(r, r), r), 1));
  // 2^n in two factors, so that results near both ends of the range come out right.
  const exponent = f.let(i32x4.sub(shifted, MAGIC_BITS));
  const half = f.let(i32x4.shrS(exponent, 1));
  const power = (integer: V128): V128 => i32x4.shl(i32x4.add(integer, 127), 23);
  return f32x4.mul(f32x4.mul(p, power(half)), power(i32x4.sub(exponent, half)));
}

/** x > 0 as m 2^e with m in [sqrt(1/2), sqrt(2)), denormal x included: gives m and, as integers, e. */
function split(f: FunctionBuilder, x: Vector): { readonly m: V128; readonly e: V128 } {
  const { f32x4, i32x4, v128 } = f;
  const tiny = f.let(f32x4.lt(x, 2 ** -126));
  // Subtracting the bits of sqrt(1/2) moves the cut between two exponents there.
  const offset = f.let(i32x4.sub(f32x4.select(tiny, f32x4.mul(x, 2 ** 23), x), SQRT_HALF_BITS));
  return {
    m: i32x4.add(v128.and(offset, 0x007fffff), SQRT_HALF_BITS),
    e: i32x4.sub(i32x4.shrS(offset, 23), v128.and(tiny, 23)),
  };
}

/** ln x in every lane, within 2 ulp, denormal arguments included. ln 0 = -Infinity; negative arguments and NaN give NaN. */
export function log(f: FunctionBuilder, x: Value<'v128'>): V128 {
  const { f32x4 } = f;
  const argument = f.let(x);
  const { m, e: exponent } = split(f, argument);
  const e = f.let(f32x4.convertI32x4S(exponent));
  const y = f.let(f32x4.sub(m, 1));
  const z = f.let(f32x4.mul(y, y));
  const p = f32x4.mul(f32x4.mul(horner(f32x4.madd, y, LOG_P), y), z);
  const low = f32x4.nmadd(z, 0.5, f32x4.madd(e, LN2_LOW, p));
  const result = f.let(f32x4.madd(e, LN2_HIGH, f32x4.add(y, low)));
  f.set(result, f32x4.select(f32x4.lt(argument, Infinity), result, f32x4.add(argument, argument)));
  f.set(result, f32x4.select(f32x4.eq(argument, 0), -Infinity, result));
  return f32x4.select(f32x4.lt(argument, 0), NaN, result);
}

/** tanh x in every lane, within 3 ulp; the sign of 0 is kept. */
export function tanh(f: FunctionBuilder, x: Value<'v128'>): V128 {
  const { f32x4, v128 } = f;
  const argument = f.let(x);
  const size = f.let(f32x4.abs(argument));
  const z = f.let(f32x4.mul(size, size));
  const near = f.let(f32x4.madd(f32x4.mul(horner(f32x4.madd, z, TANH_P), z), size, size));
  const far = f32x4.sub(1, f32x4.div(2, f32x4.add(exp(f, f32x4.add(size, size)), 1)));
  return v128.or(f32x4.select(f32x4.lt(size, 0.625), near, far), v128.and(argument, SIGN));
}

/** 1 / (1 + e^-x) in every lane, within 3 ulp; 0 where e^-x overflows. */
export function sigmoid(f: FunctionBuilder, x: Value<'v128'>): V128 {
  const { f32x4 } = f;
  return f32x4.div(1, f32x4.add(exp(f, f32x4.neg(x)), 1));
}

/** 2^(y log2 x) for two lanes in double precision, from x = m 2^e. */
function power(f: FunctionBuilder, m: V128, e: V128, y: V128): V128 {
  const { f64x2, i32x4, i64x2 } = f;
  const mantissa = f.let(f64x2.promoteLowF32x4(m));
  const s = f.let(f64x2.div(f64x2.sub(mantissa, 1), f64x2.add(mantissa, 1)));
  const z = f.let(f64x2.mul(s, s));
  const logarithm = f64x2.add(f64x2.mul(horner(f64x2.madd, z, LOG2_SERIES), s), f64x2.convertLowI32x4S(e));
  // Within these bounds the exponent of a double cannot overflow, and beyond them a float has.
  const t = f.let(f64x2.pmax(f64x2.pmin(f64x2.mul(logarithm, f64x2.promoteLowF32x4(y)), 130), -160));
  const n = f.let(f64x2.nearest(t));
  const r = f.let(f64x2.sub(t, n));
  const exponent = i64x2.shl(i64x2.extendLowI32x4U(i32x4.add(i32x4.truncSatF64x2SZero(n), 1023)), 52);
  return f.f32x4.demoteF64x2Zero(f64x2.mul(horner(f64x2.madd, r, EXP2_SERIES), exponent));
}

/**
 * x^y in every lane, within 1 ulp (double precision inside). Special cases are those of JavaScript's `**`: x^0 = 1 for every x, a negative x to
 * an integer has the sign of its parity, to anything else it is NaN; 0 and Infinity to a negative y swap; 1^Infinity is NaN.
 */
export function pow(f: FunctionBuilder, x: Value<'v128'>, y: Value<'v128'>): V128 {
  const { f32x4, v128 } = f;
  const base = f.let(x);
  const exponent = f.let(y);
  const size = f.let(f32x4.abs(base));
  const parts = split(f, size);
  const m = f.let(parts.m);
  const e = f.let(parts.e);
  const high = (v: Vector): V128 => f32x4.shuffle(v, v, [2, 3, 2, 3]);
  const low = f.let(power(f, m, e, exponent));
  const result = f.let(f32x4.shuffle(low, power(f, high(m), high(e), high(exponent)), [0, 1, 4, 5]));

  const zero = f.let(f32x4.eq(size, 0));
  const infinite = f32x4.select(v128.xor(zero, f32x4.gt(exponent, 0)), Infinity, 0);
  f.set(result, f32x4.select(v128.or(zero, f32x4.eq(size, Infinity)), infinite, result));

  const half = f.let(f32x4.mul(exponent, 0.5));
  const whole = f.let(f32x4.eq(f32x4.nearest(exponent), exponent));
  const odd = v128.and(whole, f32x4.ne(f32x4.floor(half), half));
  const undefinedRoot = v128.andnot(v128.and(f32x4.lt(base, 0), f32x4.lt(size, Infinity)), whole);
  f.set(result, v128.or(result, v128.and(v128.and(base, SIGN), odd)));
  f.set(result, f32x4.select(v128.or(undefinedRoot, v128.or(f32x4.ne(base, base), f32x4.ne(exponent, exponent))), NaN, result));
  return f32x4.select(f32x4.eq(exponent, 0), 1, result);
}
