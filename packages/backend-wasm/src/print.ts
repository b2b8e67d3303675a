import { expression as e, ShoalError } from '@shoal/core';
import { exp, log, pow, tanh, type FunctionBuilder, type V128 } from './encoder/index.ts';
import { toF32x4, toI32x4 } from './encoder/values.ts';

/** What an expression's leaves are. */
export interface Leaves {
  /** Four elements of an input. Each input is asked for once. */
  input(index: number): V128;
  /** The positions of the four elements along an axis, as i32. */
  coordinate(axis: number): V128;
}

/** Prints a scalar expression over four lanes: f32, i32 and u32 alike. Subexpressions that are used twice go into locals. */
export function printExpression(f: FunctionBuilder, root: e.Expression, leaves: Leaves): V128 {
  const instructions = e.linearize(root);
  const uses = new Uint32Array(instructions.length);
  for (const { children } of instructions) for (const child of children) uses[child]!++;
  const values: V128[] = [];
  instructions.forEach(({ expression: x, children }, i) => {
    const value = print(
      f,
      x,
      children.map((child) => values[child]!),
      leaves,
    );
    values.push(uses[i]! > 1 && !value.leaf ? f.let(value) : value);
  });
  return values[values.length - 1]!;
}

function print(f: FunctionBuilder, x: e.Expression, children: readonly V128[], leaves: Leaves): V128 {
  const [a, b, c] = children as readonly [V128, V128, V128];
  switch (x.kind) {
    case 'input':
      return leaves.input(x.index);
    case 'constant':
      return x.dtype === 'f32' ? toF32x4(x.value) : toI32x4(x.value);
    case 'coordinate':
      return leaves.coordinate(x.axis);
    case 'unary':
      return x.dtype === 'f32' ? floatUnary(f, x.op, a) : integerUnary(f, x.op, a, x.dtype === 'i32');
    case 'binary':
      return x.dtype === 'f32' ? floatBinary(f, x, a, b) : integerBinary(f, x, a, b);
    case 'compare':
      return compare(f, x, a, b);
    case 'select':
      return f.f32x4.select(a, b, c);
    case 'cast':
      return cast(f, x, a);
  }
}

function floatUnary(f: FunctionBuilder, op: e.UnaryOp, a: V128): V128 {
  switch (op) {
    case 'exp':
      return exp(f, a);
    case 'log':
      return log(f, a);
    case 'tanh':
      return tanh(f, a);
    case 'round':
      return f.f32x4.nearest(a);
    default:
      return f.f32x4[op](a);
  }
}

function integerUnary(f: FunctionBuilder, op: e.UnaryOp, a: V128, isSigned: boolean): V128 {
  if (op === 'abs') return isSigned ? f.i32x4.abs(a) : a;
  return op === 'neg' ? f.i32x4.neg(a) : impossible(op, isSigned ? 'i32' : 'u32');
}

type Binary = Extract<e.Expression, { kind: 'binary' }>;

const isNumber = (x: e.Expression): boolean => x.kind === 'constant' && !Number.isNaN(x.value);

function floatBinary(f: FunctionBuilder, { op, a: left, b: right }: Binary, a: V128, b: V128): V128 {
  const { f32x4 } = f;
  switch (op) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return f32x4[op](a, b);
    case 'pow':
      return pow(f, a, b);
    // The one-instruction forms keep a NaN that stands first: enough where the other side is known to be a number.
    case 'max':
      return isNumber(right) ? f32x4.pmax(a, b) : isNumber(left) ? f32x4.pmax(b, a) : f32x4.max(a, b);
    case 'min':
      return isNumber(right) ? f32x4.pmin(a, b) : isNumber(left) ? f32x4.pmin(b, a) : f32x4.min(a, b);
    default:
      return impossible(op, 'f32');
  }
}

function impossible(op: string, dtype: string): never {
  throw new ShoalError('DTYPE', { op: `expression/${op}`, fact: `is not defined for ${dtype}` });
}

function integerBinary(f: FunctionBuilder, x: Binary, a: V128, b: V128): V128 {
  const { i32x4 } = f;
  const isSigned = x.dtype === 'i32';
  switch (x.op) {
    case 'add':
    case 'sub':
    case 'mul':
      return i32x4[x.op](a, b);
    case 'max':
      return isSigned ? i32x4.maxS(a, b) : i32x4.maxU(a, b);
    case 'min':
      return isSigned ? i32x4.minS(a, b) : i32x4.minU(a, b);
    case 'and':
    case 'xor':
      return f.v128[x.op](a, b);
    case 'shiftRight':
      if (x.b.kind === 'constant') return isSigned ? i32x4.shrS(a, x.b.value) : i32x4.shrU(a, x.b.value);
      return shiftLanes(f, a, b, isSigned);
    default:
      return impossible(x.op, x.dtype);
  }
}

/** WebAssembly shifts all lanes by one amount; here each lane has its own. */
function shiftLanes(f: FunctionBuilder, a: V128, b: V128, isSigned: boolean): V128 {
  const [value, amount] = [f.let(a), f.let(b)];
  const shift = isSigned ? f.i32.shrS : f.i32.shrU;
  return [0, 1, 2, 3].reduce<V128>(
    (shifted, lane) => f.i32x4.replaceLane(shifted, lane, shift(f.i32x4.extractLane(value, lane), f.i32x4.extractLane(amount, lane))),
    value,
  );
}

function compare(f: FunctionBuilder, x: Extract<e.Expression, { kind: 'compare' }>, a: V128, b: V128): V128 {
  if (x.a.dtype === 'f32') return f.f32x4[x.op](a, b);
  if (x.op === 'eq' || x.op === 'ne') return f.i32x4[x.op](a, b);
  return f.i32x4[`${x.op}${x.a.dtype === 'i32' ? 'S' : 'U'}`](a, b);
}

function cast(f: FunctionBuilder, x: Extract<e.Expression, { kind: 'cast' }>, a: V128): V128 {
  const from = x.a.dtype;
  if (x.dtype === 'f32') return from === 'i32' ? f.f32x4.convertI32x4S(a) : f.f32x4.convertI32x4U(a);
  if (from === 'f32') return x.dtype === 'i32' ? f.i32x4.truncSatF32x4S(a) : f.i32x4.truncSatF32x4U(a);
  return a;
}
