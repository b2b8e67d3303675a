import { childrenOf, type Expression } from './expression.ts';

/** One distinct subexpression; `children` are positions in the list that {@link linearize} returns. */
export interface Instruction {
  readonly expression: Expression;
  readonly children: readonly number[];
}

/**
 * The distinct subexpressions, operands before users, the result last. Equal subexpressions appear once: a backend
 * prints one line (or one local) per entry and computes nothing twice.
 */
export function linearize(root: Expression): readonly Instruction[] {
  const list: Instruction[] = [];
  const byIdentity = new Map<Expression, number>();
  const byKey = new Map<string, number>();
  const visit = (e: Expression): number => {
    const known = byIdentity.get(e);
    if (known !== undefined) return known;
    const children = childrenOf(e).map(visit);
    const key = `${head(e)}(${children.join(',')})`;
    let position = byKey.get(key);
    if (position === undefined) {
      position = list.push({ expression: e, children }) - 1;
      byKey.set(key, position);
    }
    byIdentity.set(e, position);
    return position;
  };
  visit(root);
  return list;
}

function head(e: Expression): string {
  switch (e.kind) {
    case 'input':
      return `in${e.index}:${e.dtype}`;
    case 'constant':
      return `${Object.is(e.value, -0) ? '-0' : e.value}:${e.dtype}`;
    case 'coordinate':
      return `at${e.axis}`;
    case 'unary':
    case 'binary':
      return `${e.op}:${e.dtype}`;
    case 'compare':
      return e.op;
    case 'select':
      return 'select';
    case 'cast':
      return `cast:${e.dtype}`;
  }
}

/** A text that is equal exactly for structurally equal expressions. */
export function expressionKey(e: Expression): string {
  return linearize(e)
    .map(({ expression, children }) => `${head(expression)}(${children.join(',')})`)
    .join(';');
}
