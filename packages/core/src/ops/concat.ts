import { ShapeError, ShoalError } from '../errors.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { readsSame, type AxisReads } from '../reads.ts';
import { checkArity, formatShape } from '../tensor.ts';
import { slice } from './slice.ts';

export interface ConcatAttributes {
  readonly axis: number;
}

/** Joins tensors along an existing axis. */
export const concatOp: Op<ConcatAttributes> = {
  name: 'core/concat',
  infer(inputs, { axis }) {
    checkArity('core/concat', inputs, 1, Infinity);
    const { shape, dtype } = inputs[0]!;
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
      throw new ShapeError({
        op: 'core/concat',
        fact: `axis ${axis} of a tensor of rank ${shape.length}`,
        next: 'Join along an axis that is there',
      });
    }
    for (const other of inputs) {
      if (other.dtype !== dtype)
        throw new ShoalError('DTYPE', { op: 'core/concat', fact: `${dtype} and ${other.dtype} do not mix`, next: 'Cast one of them' });
      if (other.shape.length !== shape.length || other.shape.some((n, i) => i !== axis && n !== shape[i])) {
        throw new ShapeError({
          op: 'core/concat',
          fact: `${formatShape(shape)} and ${formatShape(other.shape)} differ beyond axis ${axis}`,
          next: 'Make all other sizes equal',
        });
      }
    }
    return [{ shape: shape.map((n, i) => (i === axis ? inputs.reduce((sum, each) => sum + each.shape[axis]!, 0) : n)), dtype }];
  },
  vjp({ inputs, cotangents: [ct], attributes: { axis } }) {
    let offset = 0;
    return inputs.map(({ shape }) => {
      const start = shape.map((_, i) => (i === axis ? offset : 0));
      offset += shape[axis]!;
      return ct ? slice(ct, { start, size: shape }) : null;
    });
  },
  cost: () => ({}),
  reads({ inputs, attributes: { axis } }) {
    let end = 0;
    return inputs.map(({ shape }) => {
      const size = shape[axis]!;
      const start = end;
      end += size;
      const joined: AxisReads = {
        along: axis,
        repeat: null,
        cells: (position) => [position - start].filter((cell) => cell >= 0 && cell < size),
      };
      return shape.map((_, along) => (along === axis ? joined : readsSame(along)));
    });
  },
};

/** Joins tensors along `axis` (negative counts from the end). */
export function concat(values: readonly Value[], axis: number): Value {
  const at = axis < 0 ? axis + (values[0]?.shape.length ?? 0) : axis;
  return values.length === 1 ? values[0]! : apply1(concatOp, values, { axis: at });
}
