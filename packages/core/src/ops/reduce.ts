import { ShapeError, ShoalError } from '../errors.ts';
import * as e from '../expression/index.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { readsSame } from '../reads.ts';
import { checkArity, formatShape, sizeOf, type Shape } from '../tensor.ts';
import { broadcastTo, map } from './map.ts';
import { reshape } from './reshape.ts';

export interface ReduceAttributes {
  /** `sum` of nothing is 0; `max` and `min` of nothing are an error, and of a NaN are NaN. */
  readonly kind: 'sum' | 'max' | 'min';
  /** Axes to reduce, ascending, each once. They leave the shape. */
  readonly axes: readonly number[];
}

const keptShape = (shape: Shape, axes: readonly number[]): Shape => shape.map((size, axis) => (axes.includes(axis) ? 1 : size));

/**
 * Sum, maximum or minimum over whole axes.
 *
 * The gradient of `max` and `min` is shared equally among tied elements (pooling breaks ties instead: see `pool/max`).
 */
export const reduceOp: Op<ReduceAttributes> = {
  name: 'core/reduce',
  infer(inputs, { kind, axes }) {
    checkArity('core/reduce', inputs, 1);
    const { shape, dtype } = inputs[0]!;
    if (!['sum', 'max', 'min'].includes(kind)) {
      throw new ShoalError('ATTRIBUTE', { op: 'core/reduce', fact: `unknown kind '${kind as string}'`, next: 'Use sum, max or min' });
    }
    axes.forEach((axis, i) => {
      if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length || (i > 0 && axis <= axes[i - 1]!)) {
        throw new ShapeError({
          op: 'core/reduce',
          fact: `axes [${axes.join(',')}] are not ascending axes of ${formatShape(shape)}`,
          next: 'Give each axis once, in order',
        });
      }
    });
    if (kind !== 'sum' && axes.some((axis) => shape[axis] === 0)) {
      throw new ShapeError({
        op: 'core/reduce',
        fact: `${kind} over an axis of size 0 in ${formatShape(shape)} has no value`,
        next: 'Give at least one element',
      });
    }
    if (kind !== 'sum' && dtype !== 'f32')
      throw new ShoalError('DTYPE', { op: 'core/reduce', fact: `${kind} needs f32, got ${dtype}`, next: 'Cast it first' });
    return [{ shape: shape.filter((_, axis) => !axes.includes(axis)), dtype }];
  },
  vjp({ inputs: [x], outputs: [y], cotangents: [ct], attributes: { kind, axes } }) {
    if (!ct || x!.dtype !== 'f32') return [null];
    const kept = keptShape(x!.shape, axes);
    const spread = reshape(ct, kept);
    if (kind === 'sum') return [broadcastTo(spread, x!.shape)];
    const wins = map([x!, reshape(y!, kept)], (a, b) => e.select(e.eq(a, b), 1, 0));
    const ties = reshape(reduce(wins, { kind: 'sum', axes }), kept);
    return [map([spread, wins, ties], (g, win, count) => e.div(e.mul(g, win), count))];
  },
  cost({ inputs, outputs, attributes: { kind } }) {
    const steps = sizeOf(inputs[0]!.shape) - sizeOf(outputs[0]!.shape);
    return kind === 'sum' ? { additions: steps } : { comparisons: steps };
  },
  reads: ({ inputs: [x], attributes: { axes } }) => {
    const kept = x!.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
    return [x!.shape.map((_, axis) => (axes.includes(axis) ? 'all' : readsSame(kept.indexOf(axis))))];
  },
};

/** Reduces whole axes; negative axes count from the end, none given means all. `keep` leaves them with size 1. */
export function reduce(x: Value, options: { kind: ReduceAttributes['kind']; axes?: readonly number[]; keep?: boolean }): Value {
  const rank = x.shape.length;
  const axes = [...new Set((options.axes ?? x.shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? axis + rank : axis)))].toSorted(
    (a, b) => a - b,
  );
  const reduced = axes.length === 0 ? x : apply1(reduceOp, [x], { kind: options.kind, axes });
  return options.keep ? reshape(reduced, keptShape(x.shape, axes)) : reduced;
}
