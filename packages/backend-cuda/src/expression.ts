import { expression as e, type Dtype } from '@shoal/core';

type Expression = e.Expression;

/** An expression as CUDA C statements, and the name that holds its value after them. */
export interface PrintedExpression {
  readonly statements: string;
  readonly result: string;
}

/** How the leaves of an expression are read. */
export interface Leaves {
  readonly input: (index: number, dtype: Dtype) => string;
  readonly coordinate?: (axis: number) => string;
}

/** What C calls the dtypes. */
export const typeNames: Readonly<Record<Dtype | 'bool', string>> = { f32: 'float', i32: 'int', u32: 'unsigned', bool: 'bool' };

/**
 * Prints a core expression, one constant for each distinct subexpression. Arithmetic, square roots and conversions are those of
 * IEEE 754 in float32, NaN and infinities included; `exp`, `log`, `tanh` and general powers are CUDA's (at most 2 units in the
 * last place, powers 4).
 */
export function printExpression(root: Expression, leaves: Leaves): PrintedExpression {
  const instructions = e.linearize(root);
  const statements = instructions.map(({ expression, children }, i) => {
    const [a, b, c] = children.map((child) => `e${child}`);
    return `const ${typeNames[expression.dtype]} e${i} = ${print(expression, leaves, a!, b!, c!)};\n`;
  });
  return { statements: statements.join(''), result: `e${instructions.length - 1}` };
}

function print(x: Expression, leaves: Leaves, a: string, b: string, c: string): string {
  switch (x.kind) {
    case 'input':
      return leaves.input(x.index, x.dtype);
    case 'constant':
      return printConstant(x.value, x.dtype);
    case 'coordinate':
      return leaves.coordinate?.(x.axis) ?? '0';
    case 'unary':
      return printUnary(x, a);
    case 'binary':
      return printBinary(x, a, b);
    case 'compare':
      return `${a} ${comparisons[x.op]} ${b}`;
    case 'select':
      return `${a} ? ${b} : ${c}`;
    case 'cast':
      return printCast(x, a);
  }
}

const comparisons: Record<e.CompareOp, string> = { lt: '<', le: '<=', gt: '>', ge: '>=', eq: '==', ne: '!=' };

/** A literal; infinities and NaN are made of their bits. */
export function printConstant(value: number, dtype: Dtype): string {
  if (dtype === 'u32') return `${value >>> 0}u`;
  // C reads -2147483648 as the negative of a number that is no int.
  if (dtype === 'i32') return (value | 0) === -0x80000000 ? '(-2147483647 - 1)' : `${value | 0}`;
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return 'shoal_float(0x7fc00000u)';
  if (!Number.isFinite(rounded)) return `shoal_float(${rounded < 0 ? '0xff800000u' : '0x7f800000u'})`;
  const digits = Object.is(rounded, -0) ? '-0' : String(rounded);
  return `${/[.e]/.test(digits) ? digits : `${digits}.0`}f`;
}

/** Integers wrap, which C promises of unsigned ones alone. */
const wrapping = (dtype: Dtype, text: string): string => (dtype === 'i32' ? `(int)(${text})` : text);
const unsigned = (dtype: Dtype, text: string): string => (dtype === 'i32' ? `(unsigned)${text}` : text);

function printUnary({ op, dtype }: Expression & { kind: 'unary' }, a: string): string {
  switch (op) {
    case 'neg':
      return dtype === 'f32' ? `-${a}` : wrapping(dtype, `0u - ${unsigned(dtype, a)}`);
    case 'abs':
      if (dtype === 'f32') return `fabsf(${a})`;
      return dtype === 'u32' ? a : `${a} < 0 ? (int)(0u - (unsigned)${a}) : ${a}`;
    case 'round': // halves to even
      return `rintf(${a})`;
    default:
      return `${op}f(${a})`;
  }
}

const operators = { add: '+', sub: '-', mul: '*' } as const;

function printBinary({ op, dtype, b: right }: Expression & { kind: 'binary' }, a: string, b: string): string {
  switch (op) {
    case 'add':
    case 'sub':
    case 'mul':
      return wrapping(dtype, `${unsigned(dtype, a)} ${operators[op]} ${unsigned(dtype, b)}`);
    case 'div':
      return `${a} / ${b}`;
    case 'and':
      return `${a} & ${b}`;
    case 'xor':
      return `${a} ^ ${b}`;
    case 'shiftRight':
      return `${a} >> (${b} & 31)`;
    case 'pow':
      return right.kind === 'constant' ? printPower(a, right.value, b) : `shoal_pow(${a}, ${b})`;
    default:
      return `shoal_${op}(${a}, ${b})`;
  }
}

/** Known exponents by multiplications and square roots: fewer instructions than a power, and no less accurate. */
function printPower(a: string, exponent: number, b: string): string {
  const size = Math.abs(exponent);
  const quarters = 4 * size;
  if (size > 8 || !Number.isInteger(quarters)) return `shoal_pow(${a}, ${b})`;
  const factors = Array.from({ length: Math.floor(size) }, () => a);
  if (quarters & 2) factors.push(`sqrtf(${a})`);
  if (quarters & 1) factors.push(`sqrtf(sqrtf(${a}))`);
  const product = factors.join(' * ') || '1.0f';
  return exponent < 0 ? `1.0f / (${product})` : product;
}

function printCast(x: Expression & { kind: 'cast' }, a: string): string {
  if (x.dtype === 'f32') return `(float)${a}`;
  return x.a.dtype === 'f32' ? `shoal_to_${x.dtype}(${a})` : `(${typeNames[x.dtype]})${a}`;
}
