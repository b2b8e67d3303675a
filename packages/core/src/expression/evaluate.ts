import type { Dtype } from '../tensor.ts';
import { linearize } from './linearize.ts';
import type { BinaryOp, CompareOp, Expression, UnaryOp } from './expression.ts';

/** To the nearest integer, halfway cases to the even neighbour (IEEE 754 roundTiesToEven). */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  if (down === -1) return -0;
  return down % 2 === 0 ? down : down + 1;
}

const unaries: Record<UnaryOp, (a: number) => number> = {
  neg: (a) => -a,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
};

const floats: Record<BinaryOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  max: Math.max,
  min: Math.min,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  shiftRight: (a, b) => a >>> b,
};

const comparisons: Record<CompareOp, (a: number, b: number) => boolean> = {
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
};

/** Truncates towards zero and saturates; NaN gives 0. */
function toInteger(x: number, dtype: 'i32' | 'u32'): number {
  if (Number.isNaN(x)) return 0;
  const [low, high] = dtype === 'i32' ? [-0x80000000, 0x7fffffff] : [0, 0xffffffff];
  return Math.trunc(Math.min(high, Math.max(low, x)));
}

const wrap = (x: number, dtype: Dtype): number => (dtype === 'i32' ? x | 0 : dtype === 'u32' ? x >>> 0 : x);

/** One element in float64: the definition of the language. */
export type Evaluator = (inputs: ArrayLike<number>, coordinates: ArrayLike<number>) => number;

/** Prepares an expression for many elements; shared subexpressions are computed once per element. */
export function evaluator(root: Expression): Evaluator {
  const instructions = linearize(root);
  const results = new Float64Array(instructions.length);
  return (inputs, coordinates) => {
    for (let i = 0; i < instructions.length; i++) {
      const { expression, children } = instructions[i]!;
      results[i] = element(expression, results, children, inputs, coordinates);
    }
    return results[instructions.length - 1]!;
  };
}

/** {@link evaluator} for a single element. */
export function evaluate(e: Expression, inputs: ArrayLike<number>, coordinates: ArrayLike<number>): number {
  return evaluator(e)(inputs, coordinates);
}

function element(
  e: Expression,
  results: Float64Array,
  children: readonly number[],
  inputs: ArrayLike<number>,
  coordinates: ArrayLike<number>,
): number {
  const a = results[children[0]!]!;
  const b = results[children[1]!]!;
  switch (e.kind) {
    case 'input':
      return inputs[e.index]!;
    case 'constant':
      return e.value;
    case 'coordinate':
      return coordinates[e.axis]!;
    case 'unary':
      return wrap(unaries[e.op](a), e.dtype);
    case 'binary':
      if (e.op === 'mul' && e.dtype !== 'f32') return wrap(Math.imul(a, b), e.dtype);
      if (e.op === 'shiftRight' && e.dtype === 'i32') return a >> b;
      return wrap(floats[e.op](a, b), e.dtype);
    case 'compare':
      return comparisons[e.op](a, b) ? 1 : 0;
    case 'select':
      return a !== 0 ? b : results[children[2]!]!;
    case 'cast':
      if (e.dtype === 'f32') return a;
      return e.a.dtype === 'f32' ? toInteger(a, e.dtype) : wrap(a, e.dtype);
  }
}
