import * as e from '../expression/index.ts';
import type { Expression } from '../expression/index.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { readsOnly, readsSame } from '../reads.ts';
import { broadcastShapes, checkShape, formatShape, sameShape, sizeOf, type Dtype, type Shape } from '../tensor.ts';
import { ShapeError, ShoalError } from '../errors.ts';
import { reduce } from './reduce.ts';
import { reshape } from './reshape.ts';

export interface MapAttributes {
  readonly expression: Expression;
  /** The output shape; every input broadcasts to it. */
  readonly shape: Shape;
}

/** One expression, applied to each element of its broadcast inputs. All elementwise ops are this op. */
export const mapOp: Op<MapAttributes> = {
  name: 'core/map',
  infer(inputs, { expression, shape }) {
    checkShape('core/map', shape);
    const together = broadcastShapes('core/map', shape, ...inputs.map((input) => input.shape));
    if (!sameShape(together, shape)) {
      throw new ShapeError({
        op: 'core/map',
        fact: `inputs broadcast to ${formatShape(together)}, not to the given shape ${formatShape(shape)}`,
        next: 'Give a shape that every input broadcasts to',
      });
    }
    if (expression.dtype === 'bool') {
      throw new ShoalError('DTYPE', {
        op: 'core/map',
        fact: 'the expression is a comparison',
        next: 'Turn it into a number with select(condition, 1, 0)',
      });
    }
    for (const { expression: x } of e.linearize(expression)) {
      if (x.kind === 'input' && inputs[x.index]?.dtype !== x.dtype) {
        const actual = inputs[x.index]?.dtype ?? 'missing';
        throw new ShoalError('DTYPE', {
          op: 'core/map',
          fact: `input ${x.index} is ${actual} where the expression reads ${x.dtype}`,
          next: 'Cast it first',
        });
      }
      if (x.kind === 'coordinate' && (x.axis < 0 || x.axis >= shape.length)) {
        throw new ShapeError({ op: 'core/map', fact: `coordinate of axis ${x.axis} in an output of rank ${shape.length}` });
      }
    }
    return [{ shape, dtype: expression.dtype }];
  },
  vjp({ inputs, cotangents: [ct], attributes: { expression, shape } }) {
    return inputs.map((value, index) => {
      const slope = e.differentiate(expression, index);
      if (!ct || value.dtype !== 'f32' || (slope.kind === 'constant' && slope.value === 0)) return null;
      const product = e.simplify(e.mul(e.operand(inputs.length), slope));
      return sumTo(mapExpression(product, [...inputs, ct], shape), value.shape);
    });
  },
  cost({ outputs, attributes: { expression } }) {
    const one = e.expressionCost(expression);
    const n = sizeOf(outputs[0]!.shape);
    return {
      additions: n * one.additions,
      multiplications: n * one.multiplications,
      comparisons: n * one.comparisons,
      transcendentals: n * one.transcendentals,
    };
  },
  reads: ({ inputs, attributes: { shape } }) =>
    inputs.map((input) =>
      input.shape.map((size, axis) => {
        const along = axis + shape.length - input.shape.length;
        return size === shape[along] ? readsSame(along) : readsOnly(along);
      }),
    ),
};

/** Applies an expression that is already built; inputs it does not read are dropped, repeated ones merged. */
export function mapExpression(expression: Expression, inputs: readonly Value[], shape?: Shape): Value {
  const target = shape ?? broadcastShapes('core/map', ...inputs.map((value) => value.shape));
  const used: Value[] = [];
  const compact = e.rewrite(expression, (x) => {
    if (x.kind !== 'input') return x;
    const value = inputs[x.index];
    if (value === undefined)
      throw new ShoalError('GRAPH', { op: 'core/map', fact: `the expression reads input ${x.index} of ${inputs.length}` });
    const known = used.indexOf(value);
    return e.operand(known >= 0 ? known : used.push(value) - 1, x.dtype);
  });
  return apply1(mapOp, used, { expression: compact, shape: target });
}

/**
 * Elementwise work on broadcast inputs: `map([x, y], (a, b) => mul(a, tanh(b)))`.
 *
 * @param shape the output shape where it is not what the inputs broadcast to
 * @throws ShapeError when the inputs do not broadcast
 */
export function map(inputs: readonly Value[], build: (...operands: readonly Expression[]) => Expression, shape?: Shape): Value {
  return mapExpression(build(...inputs.map((value, index) => e.operand(index, value.dtype))), inputs, shape);
}

/** Repeats a tensor along axes of size 1 (and new leading axes) up to `shape`. */
export function broadcastTo(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : map([x], (a) => a, shape);
}

/** Converts element by element; see `cast` of the expression language for the rounding. */
export function cast(x: Value, dtype: Dtype): Value {
  return x.dtype === dtype ? x : map([x], (a) => e.cast(a, dtype));
}

/** The adjoint of broadcasting: sums over the axes along which `shape` was repeated. */
export function sumTo(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) => (axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : []));
  return reshape(reduce(x, { kind: 'sum', axes }), shape);
}
