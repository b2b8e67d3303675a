import { ShapeError } from '../errors.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { checkArity, checkShape, formatShape, sameShape, sizeOf, type Shape } from '../tensor.ts';

export interface ReshapeAttributes {
  readonly shape: Shape;
}

/** The same elements in the same row-major order under another shape. Moves no data. */
export const reshapeOp: Op<ReshapeAttributes> = {
  name: 'core/reshape',
  infer(inputs, { shape }) {
    checkArity('core/reshape', inputs, 1);
    checkShape('core/reshape', shape);
    const { shape: from, dtype } = inputs[0]!;
    if (sizeOf(shape) !== sizeOf(from)) {
      throw new ShapeError({
        op: 'core/reshape',
        fact: `${formatShape(from)} has ${sizeOf(from)} elements, ${formatShape(shape)} has ${sizeOf(shape)}`,
        next: 'Keep the number of elements',
      });
    }
    return [{ shape, dtype }];
  },
  vjp: ({ inputs: [x], cotangents: [ct] }) => [ct && reshape(ct, x!.shape)],
  cost: () => ({ bytes: 0 }),
};

/** Gives `x` another shape of the same size; one size may be -1 and is worked out. */
export function reshape(x: Value, shape: Shape): Value {
  const open = shape.indexOf(-1);
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const full = open < 0 ? shape : shape.map((size, axis) => (axis === open ? sizeOf(x.shape) / known : size));
  return sameShape(full, x.shape) ? x : apply1(reshapeOp, [x], { shape: [...full] });
}
