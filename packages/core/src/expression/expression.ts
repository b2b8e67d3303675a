import { ShoalError } from '../errors.ts';
import type { Dtype } from '../tensor.ts';

/**
 * The scalar expression language: what one output element of an elementwise op is, given one element of each input.
 * Every backend prints it into its own language, so a new activation is one line and fuses everywhere.
 */
export type Expression =
  | { readonly kind: 'input'; readonly index: number; readonly dtype: Dtype }
  | { readonly kind: 'constant'; readonly value: number; readonly dtype: Dtype }
  /** The output element's position along an axis, counted from 0. */
  | { readonly kind: 'coordinate'; readonly axis: number; readonly dtype: 'i32' }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly a: Expression; readonly dtype: Dtype }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly a: Expression; readonly b: Expression; readonly dtype: Dtype }
  | { readonly kind: 'compare'; readonly op: CompareOp; readonly a: Expression; readonly b: Expression; readonly dtype: 'bool' }
  | { readonly kind: 'select'; readonly condition: Expression; readonly a: Expression; readonly b: Expression; readonly dtype: Dtype }
  | { readonly kind: 'cast'; readonly a: Expression; readonly dtype: Dtype };

/** `round` goes to the even neighbour in halfway cases, on every backend. */
export type UnaryOp = 'neg' | 'abs' | 'exp' | 'log' | 'sqrt' | 'tanh' | 'floor' | 'ceil' | 'round';
/** `max` and `min` give NaN where either side is NaN. Integer arithmetic wraps; `shiftRight` is logical on u32. `div` is for f32. */
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'max' | 'min' | 'and' | 'xor' | 'shiftRight';
/** With a NaN on either side all are false but `ne`. */
export type CompareOp = 'lt' | 'le' | 'gt' | 'ge' | 'eq' | 'ne';

/** An expression, or a number that takes its partner's dtype. */
export type Operand = Expression | number;

const floatOnly: ReadonlySet<string> = new Set(['exp', 'log', 'sqrt', 'tanh', 'floor', 'ceil', 'round', 'div', 'pow']);
const integerOnly: ReadonlySet<string> = new Set(['and', 'xor', 'shiftRight']);

function fail(op: string, fact: string, next?: string): never {
  throw new ShoalError('DTYPE', { op: `expression/${op}`, fact, ...(next ? { next } : {}) });
}

function dtypeOf(op: string, e: Expression): Dtype {
  if (e.dtype === 'bool') fail(op, 'a comparison is not a number', 'Turn it into one with select(condition, 1, 0)');
  return e.dtype;
}

function pair(op: string, a: Operand, b: Operand): readonly [Expression, Expression, Dtype] {
  const dtype: Dtype = typeof a !== 'number' ? dtypeOf(op, a) : typeof b !== 'number' ? dtypeOf(op, b) : 'f32';
  const x = typeof a === 'number' ? literal(a, dtype) : a;
  const y = typeof b === 'number' ? literal(b, dtype) : b;
  if (x.dtype !== y.dtype) fail(op, `${x.dtype} and ${y.dtype} do not mix`, 'Cast one side');
  return [x, y, dtype];
}

/** Element of input `index`. */
export const operand = (index: number, dtype: Dtype = 'f32'): Expression => ({ kind: 'input', index, dtype });
export const literal = (value: number, dtype: Dtype = 'f32'): Expression => ({ kind: 'constant', value, dtype });
export const coordinate = (axis: number): Expression => ({ kind: 'coordinate', axis, dtype: 'i32' });

function unary(op: UnaryOp, operandOrNumber: Operand): Expression {
  const a = typeof operandOrNumber === 'number' ? literal(operandOrNumber) : operandOrNumber;
  const dtype = dtypeOf(op, a);
  if (dtype !== 'f32' && floatOnly.has(op)) fail(op, `needs f32, got ${dtype}`, "Cast with cast(x, 'f32')");
  return { kind: 'unary', op, a, dtype };
}

function binary(op: BinaryOp, left: Operand, right: Operand): Expression {
  const [a, b, dtype] = pair(op, left, right);
  if (dtype !== 'f32' && floatOnly.has(op)) fail(op, `needs f32, got ${dtype}`, "Cast with cast(x, 'f32')");
  if (dtype === 'f32' && integerOnly.has(op)) fail(op, 'needs i32 or u32, got f32');
  return { kind: 'binary', op, a, b, dtype };
}

function compare(op: CompareOp, left: Operand, right: Operand): Expression {
  const [a, b] = pair(op, left, right);
  return { kind: 'compare', op, a, b, dtype: 'bool' };
}

export const neg = (a: Operand): Expression => unary('neg', a);
export const abs = (a: Operand): Expression => unary('abs', a);
export const exp = (a: Operand): Expression => unary('exp', a);
export const log = (a: Operand): Expression => unary('log', a);
export const sqrt = (a: Operand): Expression => unary('sqrt', a);
export const tanh = (a: Operand): Expression => unary('tanh', a);
export const floor = (a: Operand): Expression => unary('floor', a);
export const ceil = (a: Operand): Expression => unary('ceil', a);
export const round = (a: Operand): Expression => unary('round', a);
export const add = (a: Operand, b: Operand): Expression => binary('add', a, b);
export const sub = (a: Operand, b: Operand): Expression => binary('sub', a, b);
export const mul = (a: Operand, b: Operand): Expression => binary('mul', a, b);
export const div = (a: Operand, b: Operand): Expression => binary('div', a, b);
export const pow = (a: Operand, b: Operand): Expression => binary('pow', a, b);
export const max = (a: Operand, b: Operand): Expression => binary('max', a, b);
export const min = (a: Operand, b: Operand): Expression => binary('min', a, b);
export const bitAnd = (a: Operand, b: Operand): Expression => binary('and', a, b);
export const bitXor = (a: Operand, b: Operand): Expression => binary('xor', a, b);
export const shiftRight = (a: Operand, b: Operand): Expression => binary('shiftRight', a, b);
export const lt = (a: Operand, b: Operand): Expression => compare('lt', a, b);
export const le = (a: Operand, b: Operand): Expression => compare('le', a, b);
export const gt = (a: Operand, b: Operand): Expression => compare('gt', a, b);
export const ge = (a: Operand, b: Operand): Expression => compare('ge', a, b);
export const eq = (a: Operand, b: Operand): Expression => compare('eq', a, b);
export const ne = (a: Operand, b: Operand): Expression => compare('ne', a, b);

/** `condition ? a : b`, both sides evaluated. */
export function select(condition: Expression, left: Operand, right: Operand): Expression {
  if (condition.dtype !== 'bool') fail('select', `condition is ${condition.dtype}`, 'Compare with lt, le, gt, ge, eq or ne');
  const [a, b, dtype] = pair('select', left, right);
  return { kind: 'select', condition, a, b, dtype };
}

/** Converts the number: f32 to an integer truncates towards zero and saturates, NaN gives 0; i32 and u32 reinterpret each other's bits. */
export function cast(a: Expression, dtype: Dtype): Expression {
  return dtypeOf('cast', a) === dtype ? a : { kind: 'cast', a, dtype };
}

/** The direct subexpressions. */
export function childrenOf(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case 'input':
    case 'constant':
    case 'coordinate':
      return [];
    case 'unary':
    case 'cast':
      return [e.a];
    case 'binary':
    case 'compare':
      return [e.a, e.b];
    case 'select':
      return [e.condition, e.a, e.b];
  }
}

/** The same expression over other children. */
export function withChildren(e: Expression, children: readonly Expression[]): Expression {
  const [a, b, c] = children;
  switch (e.kind) {
    case 'input':
    case 'constant':
    case 'coordinate':
      return e;
    case 'unary':
    case 'cast':
      return { ...e, a: a! };
    case 'binary':
    case 'compare':
      return { ...e, a: a!, b: b! };
    case 'select':
      return { ...e, condition: a!, a: b!, b: c! };
  }
}

/** Rebuilds an expression from its leaves up; shared subexpressions are visited once. */
export function rewrite(e: Expression, visit: (e: Expression) => Expression): Expression {
  const done = new Map<Expression, Expression>();
  const walk = (x: Expression): Expression => {
    const known = done.get(x);
    if (known) return known;
    const children = childrenOf(x);
    const rebuilt = children.map(walk);
    const result = visit(rebuilt.some((child, i) => child !== children[i]) ? withChildren(x, rebuilt) : x);
    done.set(x, result);
    return result;
  };
  return walk(e);
}
