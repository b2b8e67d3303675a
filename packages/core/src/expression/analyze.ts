import type { Cost } from '../cost.ts';
import { evaluate } from './evaluate.ts';
import { literal, rewrite, type Expression } from './expression.ts';
import { linearize } from './linearize.ts';
import { simplify } from './simplify.ts';

/** The indices of the inputs that an expression reads. */
export function inputsRead(e: Expression): ReadonlySet<number> {
  return new Set(linearize(e).flatMap(({ expression }) => (expression.kind === 'input' ? [expression.index] : [])));
}

export function usesCoordinates(e: Expression): boolean {
  return linearize(e).some(({ expression }) => expression.kind === 'coordinate');
}

/** Replaces each input by an expression. */
export function substitute(e: Expression, replacement: (index: number) => Expression): Expression {
  return rewrite(e, (x) => (x.kind === 'input' ? replacement(x.index) : x));
}

/** True where `f(0) = 0` is proven for input `index`, whatever the other inputs are: safe to fuse into a zero-padded load. */
export function preservesZero(e: Expression, index: number): boolean {
  const atZero = simplify(rewrite(e, (x) => (x.kind === 'input' && x.index === index ? literal(0, x.dtype) : x)));
  return atZero.kind === 'constant' && evaluate(atZero, [], []) === 0;
}

/** Arithmetic of one evaluation, shared subexpressions counted once. */
export function expressionCost(e: Expression): Pick<Cost, 'additions' | 'multiplications' | 'comparisons' | 'transcendentals'> {
  const count = { additions: 0, multiplications: 0, comparisons: 0, transcendentals: 0 };
  for (const { expression: x } of linearize(e)) {
    if (x.kind === 'compare') count.comparisons++;
    else if (x.kind === 'unary' && ['exp', 'log', 'sqrt', 'tanh'].includes(x.op)) count.transcendentals++;
    else if (x.kind === 'binary') {
      if (x.op === 'add' || x.op === 'sub') count.additions++;
      else if (x.op === 'mul') count.multiplications++;
      else if (x.op === 'max' || x.op === 'min') count.comparisons++;
      else if (x.op === 'div' || x.op === 'pow') count.transcendentals++;
    }
  }
  return count;
}
