import { expression as e, input, type MapAttributes, type Value } from '@shoal/core';
import { relu, sigmoid } from '@shoal/math';
import type { Binary, Unary } from './graph.ts';

type Expression = e.Expression;

export const unaryNames: ReadonlySet<string> = new Set<Unary>(['neg', 'abs', 'exp', 'log', 'sqrt', 'tanh']);
export const binaryNames: ReadonlySet<string> = new Set<Binary>(['add', 'sub', 'mul', 'div', 'max', 'min']);

const expressionOf = (value: Value): Expression => (value.node!.attributes as MapAttributes).expression;
const written = (expression: Expression): string => JSON.stringify(expression);

/** Activations that engines have a kernel for, as Shoal spells them. */
const named: ReadonlyMap<string, Unary> = new Map(
  Object.entries({ relu, sigmoid }).map(([op, build]) => [written(expressionOf(build(input('x', [1])))), op as Unary]),
);

/** The activation an expression is, and of which input. */
export function namedUnary(expression: Expression): { readonly op: Unary; readonly index: number } | null {
  const read = e.inputsRead(expression);
  if (read.size !== 1) return null;
  const [index] = read;
  const first = e.rewrite(expression, (x) => (x.kind === 'input' ? e.operand(0, x.dtype) : x));
  const op = named.get(written(first));
  return op === undefined ? null : { op, index: index! };
}

/** `x * scale + shift` by the inputs' positions. */
export function affineOf(expression: Expression): { readonly x: number; readonly scale: number; readonly shift: number } | null {
  if (expression.kind !== 'binary' || expression.op !== 'add') return null;
  const { a: product, b: shift } = expression;
  if (product.kind !== 'binary' || product.op !== 'mul' || shift.kind !== 'input') return null;
  const { a: x, b: scale } = product;
  return x.kind === 'input' && scale.kind === 'input' ? { x: x.index, scale: scale.index, shift: shift.index } : null;
}
