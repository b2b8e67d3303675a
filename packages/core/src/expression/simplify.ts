import { evaluate } from './evaluate.ts';
import { childrenOf, literal, rewrite, type Expression } from './expression.ts';

const isConstant = (e: Expression, value: number): boolean => e.kind === 'constant' && e.value === value;

/**
 * Folds constants and drops neutral elements. `x * 0` becomes 0 although it is NaN for infinite x: the zeros come from
 * derivatives, where a path that does not depend on the input contributes nothing.
 */
export function simplify(root: Expression): Expression {
  return rewrite(root, (e) => {
    const children = childrenOf(e);
    if (children.length > 0 && e.dtype !== 'bool' && children.every((child) => child.kind === 'constant')) {
      return literal(evaluate(e, [], []), e.dtype);
    }
    if (e.kind === 'select') {
      const { condition } = e;
      if (childrenOf(condition).every((child) => child.kind === 'constant')) return evaluate(condition, [], []) === 1 ? e.a : e.b;
      return e.a.kind === 'constant' && isConstant(e.b, e.a.value) ? e.a : e;
    }
    if (e.kind !== 'binary') return e;
    const { op, a, b, dtype } = e;
    if (op === 'add') return isConstant(a, 0) ? b : isConstant(b, 0) ? a : e;
    if (op === 'sub') return isConstant(b, 0) ? a : isConstant(a, 0) ? { kind: 'unary', op: 'neg', a: b, dtype } : e;
    if (op === 'mul') {
      if (isConstant(a, 0) || isConstant(b, 0)) return literal(0, dtype);
      return isConstant(a, 1) ? b : isConstant(b, 1) ? a : e;
    }
    if (op === 'div') return isConstant(b, 1) ? a : isConstant(a, 0) ? a : e;
    if (op === 'pow') return isConstant(b, 1) ? a : isConstant(b, 0) ? literal(1) : e;
    return e;
  });
}
