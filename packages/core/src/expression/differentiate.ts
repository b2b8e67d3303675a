import * as x from './expression.ts';
import type { Expression } from './expression.ts';
import { simplify } from './simplify.ts';

/**
 * The derivative of an expression to one of its f32 inputs, as an expression over the same inputs.
 *
 * Conventions at kinks: |x| has slope 0 at 0; `max(a, b)` and `min(a, b)` belong to `b` where a = b, so `max(x, 0)` has
 * slope 0 at 0; rounding, comparisons and casts have slope 0 everywhere.
 */
export function differentiate(e: Expression, index: number): Expression {
  const memo = new Map<Expression, Expression>();
  const zero = x.literal(0);
  const d = (y: Expression): Expression => {
    const known = memo.get(y);
    if (known) return known;
    const result = simplify(rule(y));
    memo.set(y, result);
    return result;
  };
  const rule = (y: Expression): Expression => {
    if (y.dtype !== 'f32') return zero;
    switch (y.kind) {
      case 'input':
        return x.literal(y.index === index ? 1 : 0);
      case 'constant':
      case 'cast':
        return zero;
      case 'select':
        return x.select(y.condition, d(y.a), d(y.b));
      case 'unary':
        return unaryRule(y, d(y.a));
      case 'binary':
        return binaryRule(y, d(y.a), d(y.b));
      default:
        return zero;
    }
  };
  return simplify(d(e));
}

function unaryRule(y: Expression & { kind: 'unary' }, da: Expression): Expression {
  switch (y.op) {
    case 'neg':
      return x.neg(da);
    case 'abs':
      return x.select(x.gt(y.a, 0), da, x.select(x.lt(y.a, 0), x.neg(da), x.literal(0)));
    case 'exp':
      return x.mul(y, da); // (e^a)' = e^a a'
    case 'log':
      return x.div(da, y.a);
    case 'sqrt':
      return x.div(da, x.mul(2, y)); // (√a)' = a' / 2√a
    case 'tanh':
      return x.mul(x.sub(1, x.mul(y, y)), da); // tanh' = 1 - tanh²
    case 'floor':
    case 'ceil':
    case 'round':
      return x.literal(0);
  }
}

function binaryRule(y: Expression & { kind: 'binary' }, da: Expression, db: Expression): Expression {
  switch (y.op) {
    case 'add':
      return x.add(da, db);
    case 'sub':
      return x.sub(da, db);
    case 'mul':
      return x.add(x.mul(da, y.b), x.mul(y.a, db));
    case 'div':
      return x.sub(x.div(da, y.b), x.div(x.mul(y, db), y.b)); // (a/b)' = a'/b - (a/b) b'/b
    case 'pow': // a^b: b a^(b-1) a' + a^b log(a) b', each only where it is needed (log of a negative base is NaN)
      return x.add(
        x.mul(x.mul(y.b, x.pow(y.a, x.sub(y.b, 1))), da),
        db.kind === 'constant' && db.value === 0 ? x.literal(0) : x.mul(x.mul(y, x.log(y.a)), db),
      );
    case 'max':
      return x.select(x.gt(y.a, y.b), da, db);
    case 'min':
      return x.select(x.lt(y.a, y.b), da, db);
    default:
      return x.literal(0);
  }
}
