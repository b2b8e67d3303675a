import { expression as e, type Dtype } from '@shoal/core';

type Expression = e.Expression;

/** An expression as WGSL statements, and the name that holds its value after them. */
export interface PrintedExpression {
  readonly statements: string;
  readonly result: string;
}

/** How the leaves of an expression are read. */
export interface Leaves {
  readonly input: (index: number) => string;
  readonly coordinate?: (axis: number) => string;
}

/**
 * Prints a core expression, one `let` for each distinct subexpression; `prefix` keeps the names of several apart.
 *
 * What WGSL leaves open: implementations may assume that there is no NaN or infinity, so comparisons with NaN and literals that
 * are not finite work as far as the driver lets them (`max`, `min` and casts look at the bits instead); `log`, `pow` and division have the errors that WGSL
 * allows (a few units in the last place; `pow` more). Conversion, rounding, integer arithmetic and `pow` of negative bases to
 * whole exponents are exactly those of the language.
 */
export function printExpression(root: Expression, leaves: Leaves, prefix = 'e'): PrintedExpression {
  const instructions = e.linearize(root);
  const statements = instructions.map(({ expression, children }, i) => {
    const [a, b, c] = children.map((child) => `${prefix}${child}`);
    return `let ${prefix}${i} = ${print(expression, leaves, a!, b!, c!)};\n`;
  });
  return { statements: statements.join(''), result: `${prefix}${instructions.length - 1}` };
}

function print(x: Expression, leaves: Leaves, a: string, b: string, c: string): string {
  switch (x.kind) {
    case 'input':
      return leaves.input(x.index);
    case 'constant':
      return printConstant(x.value, x.dtype);
    case 'coordinate':
      return leaves.coordinate?.(x.axis) ?? '0';
    case 'unary':
      return printUnary(x, a);
    case 'binary':
      return printBinary(x, a, b);
    case 'compare':
      // Of a NaN, WGSL's != may say that it equals everything.
      return x.op === 'ne' ? `!(${a} == ${b})` : `${a} ${comparisons[x.op]} ${b}`;
    case 'select':
      return `select(${c}, ${b}, ${a})`;
    case 'cast':
      return printCast(x, a);
  }
}

const comparisons: Record<Exclude<e.CompareOp, 'ne'>, string> = { lt: '<', le: '<=', gt: '>', ge: '>=', eq: '==' };

/** A literal that WGSL takes: it has none for infinities and NaN, whose bits are taken from a variable that only run time knows. */
export function printConstant(value: number, dtype: Dtype): string {
  if (dtype === 'i32') return `i32(${value | 0})`;
  if (dtype === 'u32') return `${value >>> 0}u`;
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return 'bitcast<f32>(shoal_infinity | 0x400000u)';
  if (!Number.isFinite(rounded)) return `bitcast<f32>(shoal_infinity${rounded < 0 ? ' | 0x80000000u' : ''})`;
  const digits = Object.is(rounded, -0) ? '-0' : String(rounded);
  return `f32(${/[.e]/.test(digits) ? digits : `${digits}.0`})`;
}

function printUnary({ op, dtype }: Expression & { kind: 'unary' }, a: string): string {
  switch (op) {
    case 'neg':
      return dtype === 'u32' ? `0u - ${a}` : `-${a}`;
    case 'exp':
    case 'log':
    case 'tanh':
      return `shoal_${op}(${a})`;
    default: // WGSL rounds halves to even, as the language asks
      return `${op}(${a})`;
  }
}

function printBinary({ op, dtype, b: right }: Expression & { kind: 'binary' }, a: string, b: string): string {
  switch (op) {
    case 'add':
      return `${a} + ${b}`;
    case 'sub':
      return `${a} - ${b}`;
    case 'mul':
      return `${a} * ${b}`;
    case 'div':
      return `${a} / ${b}`;
    case 'and':
      return `${a} & ${b}`;
    case 'xor':
      return `${a} ^ ${b}`;
    case 'shiftRight':
      return `${a} >> (${dtype === 'u32' ? b : `u32(${b})`} & 31u)`;
    case 'pow':
      return right.kind === 'constant' ? printPower(a, right.value, b) : `shoal_pow(${a}, ${b})`;
    default:
      return dtype === 'f32' ? `shoal_${op}(${a}, ${b})` : `${op}(${a}, ${b})`;
  }
}

/** Known exponents by multiplications and square roots, which are far more accurate than exp2(b log2 a). */
function printPower(a: string, exponent: number, b: string): string {
  const size = Math.abs(exponent);
  const quarters = 4 * size;
  if (size > 8 || !Number.isInteger(quarters)) return `shoal_pow(${a}, ${b})`;
  const factors = Array.from({ length: Math.floor(size) }, () => a);
  if (quarters & 2) factors.push(`sqrt(${a})`);
  if (quarters & 1) factors.push(`sqrt(sqrt(${a}))`);
  const product = factors.join(' * ') || '1.0';
  return exponent < 0 ? `1.0 / (${product})` : product;
}

function printCast(x: Expression & { kind: 'cast' }, a: string): string {
  if (x.dtype === 'f32') return `f32(${a})`;
  return x.a.dtype === 'f32' ? `shoal_to_${x.dtype}(${a})` : `bitcast<${x.dtype}>(${a})`;
}

/** Module-scope helpers that printed text may call; the backend adds those that are used. */
export const helpers: Readonly<Record<string, string>> = {
  // A variable: WGSL refuses constant expressions that are not finite.
  shoal_infinity: 'var<private> shoal_infinity: u32 = 0x7f800000u;',
  // By its bits: a compiler may assume that x == x.
  shoal_nan: `fn shoal_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}`,
  shoal_max: `fn shoal_max(a: f32, b: f32) -> f32 {
  return select(select(max(a, b), b, shoal_nan(b)), a, shoal_nan(a));
}`,
  shoal_min: `fn shoal_min(a: f32, b: f32) -> f32 {
  return select(select(min(a, b), b, shoal_nan(b)), a, shoal_nan(a));
}`,
  // 2^k e^r with |r| below 0.35 (Cody and Waite's two-part ln 2): WGSL lets the error of its own exp grow with |x|.
  shoal_exp: `fn shoal_exp(x: f32) -> f32 {
  let c = clamp(x, -104.0, 89.0);
  let k = round(c * 1.44269504);
  let r = fma(k, 2.12194440e-4, fma(k, -0.693359375, c));
  let half = i32(k) / 2;
  let power = exp2(r * 1.44269504) * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((i32(k) - half + 127) << 23u);
  return select(power, x, shoal_nan(x));
}`,
  // Drivers differ at the ends.
  shoal_log: `fn shoal_log(x: f32) -> f32 {
  let infinity = bitcast<f32>(shoal_infinity);
  let positive = select(select(log(x), -infinity, x == 0.0), x, x == infinity || shoal_nan(x));
  return select(positive, bitcast<f32>(shoal_infinity | 0x400000u), x < 0.0);
}`,
  // By e^-2|x|, which cannot overflow; the series near 0, where 1 - e^-2|x| would cancel.
  shoal_tanh: `fn shoal_tanh(x: f32) -> f32 {
  let s = x * x;
  let series = x * (1.0 + s * (-0.333333333 + s * (0.133333333 + s * (-0.0539682540 + s * 0.0218694885))));
  let t = shoal_exp(-2.0 * abs(x));
  let r = (1.0 - t) / (1.0 + t);
  return select(select(r, -r, x < 0.0), series, abs(x) < 0.25);
}`,
  // a = m 2^e with m around 1: b e is exact in two parts, and only the small b log2(m) is rounded, where WGSL's own pow loses |b log2 a| units.
  shoal_positive_pow: `fn shoal_positive_pow(a: f32, b: f32) -> f32 {
  if (a > 3.4028234e38 || shoal_nan(a)) { return pow(a, b); }
  let parts = frexp(a);
  let small = parts.fract < 0.70710678;
  let e = f32(parts.exp) - select(0.0, 1.0, small);
  let rest = b * log2(parts.fract * select(1.0, 2.0, small));
  let whole = b * e;
  let k = clamp(round(whole + rest), -160.0, 140.0);
  let r = ((whole - k) + rest) + fma(b, e, -whole);
  let half = i32(k) / 2;
  return exp2(r) * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((i32(k) - half + 127) << 23u);
}`,
  // JavaScript's: a negative base is fine with a whole exponent.
  shoal_pow: `fn shoal_pow(a: f32, b: f32) -> f32 {
  if (b == 0.0) { return 1.0; }
  if (a == 0.0) { return select(bitcast<f32>(shoal_infinity), 0.0, b > 0.0); }
  let size = shoal_positive_pow(abs(a), b);
  if (a > 0.0) { return size; }
  if (b != floor(b)) { return bitcast<f32>(shoal_infinity | 0x400000u); }
  return select(size, -size, b - 2.0 * floor(b * 0.5) == 1.0);
}`,
  // WGSL clamps to the largest float that fits; the language saturates, and NaN is 0.
  shoal_to_i32: `fn shoal_to_i32(x: f32) -> i32 {
  return select(select(select(i32(x), 0, shoal_nan(x)), i32(0x7fffffff), x >= 2147483648.0), i32(-2147483648), x <= -2147483648.0);
}`,
  shoal_to_u32: `fn shoal_to_u32(x: f32) -> u32 {
  return select(select(select(0u, u32(x), x > 0.0), 0xffffffffu, x >= 4294967296.0), 0u, shoal_nan(x));
}`,
};
