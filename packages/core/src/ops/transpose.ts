import { ShapeError } from '../errors.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { readsSame } from '../reads.ts';
import { checkArity, formatShape } from '../tensor.ts';

export interface TransposeAttributes {
  /** Output axis i is input axis `permutation[i]`. */
  readonly permutation: readonly number[];
}

/** Reorders axes. */
export const transposeOp: Op<TransposeAttributes> = {
  name: 'core/transpose',
  infer(inputs, { permutation }) {
    checkArity('core/transpose', inputs, 1);
    const { shape, dtype } = inputs[0]!;
    if (permutation.length !== shape.length || permutation.toSorted((a, b) => a - b).some((axis, i) => axis !== i)) {
      throw new ShapeError({
        op: 'core/transpose',
        fact: `[${permutation.join(',')}] is not a permutation of the axes of ${formatShape(shape)}`,
        next: `Give each of 0 to ${shape.length - 1} once`,
      });
    }
    return [{ shape: permutation.map((axis) => shape[axis]!), dtype }];
  },
  vjp({ cotangents: [ct], attributes: { permutation } }) {
    return [
      ct &&
        transpose(
          ct,
          permutation.map((_, axis) => permutation.indexOf(axis)),
        ),
    ];
  },
  cost: () => ({}),
  reads: ({ attributes: { permutation } }) => [permutation.map((_, axis) => readsSame(permutation.indexOf(axis)))],
};

/** Reorders axes: output axis i is input axis `permutation[i]`. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  return permutation.length === x.shape.length && permutation.every((axis, i) => axis === i)
    ? x
    : apply1(transposeOp, [x], { permutation });
}
