import { apply1, type Op, type Value } from '../graph.ts';
import { checkArity, checkShape, type Dtype, type Shape } from '../tensor.ts';

export interface FillAttributes {
  readonly value: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** One number everywhere. */
export const fillOp: Op<FillAttributes> = {
  name: 'core/fill',
  infer(inputs, { shape, dtype }) {
    checkArity('core/fill', inputs, 0);
    checkShape('core/fill', shape);
    return [{ shape, dtype }];
  },
  vjp: () => [],
  cost: () => ({}),
};

/** A tensor of one number, made on the device. */
export function fill(value: number, shape: Shape = [], dtype: Dtype = 'f32'): Value {
  return apply1(fillOp, [], { value, shape: [...shape], dtype });
}

export const zeros = (shape: Shape): Value => fill(0, shape);
export const ones = (shape: Shape): Value => fill(1, shape);
