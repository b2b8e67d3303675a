import { ShapeError } from '../errors.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { checkArity, formatShape, type Shape } from '../tensor.ts';
import { apply1Pad } from './pad.ts';

export interface SliceAttributes {
  readonly start: readonly number[];
  readonly size: Shape;
  /** Every how many elements; at least 1. */
  readonly stride: readonly number[];
}

/** A box of a tensor, with strides. */
export const sliceOp: Op<SliceAttributes> = {
  name: 'core/slice',
  infer(inputs, { start, size, stride }) {
    checkArity('core/slice', inputs, 1);
    const { shape, dtype } = inputs[0]!;
    const inside = (axis: number): boolean => {
      const [from, n, step] = [start[axis]!, size[axis]!, stride[axis]!];
      return (
        [from, n, step].every(Number.isInteger) && from >= 0 && n >= 0 && step >= 1 && (n === 0 || from + (n - 1) * step < shape[axis]!)
      );
    };
    if ([start, size, stride].some((list) => list.length !== shape.length) || !shape.every((_, axis) => inside(axis))) {
      throw new ShapeError({
        op: 'core/slice',
        fact: `start [${start.join(',')}], size ${formatShape(size)}, stride [${stride.join(',')}] is not inside ${formatShape(shape)}`,
        next: 'Keep start + (size - 1) * stride below each size',
      });
    }
    return [{ shape: size, dtype }];
  },
  vjp({ inputs: [x], cotangents: [ct], attributes: { start, size, stride } }) {
    if (!ct) return [null];
    // Each element goes back to where it was read: stride - 1 zeros between, the rest around.
    const after = x!.shape.map((n, axis) => n - start[axis]! - (size[axis] === 0 ? 0 : (size[axis]! - 1) * stride[axis]! + 1));
    return [apply1Pad(ct, { before: start, after, interior: stride.map((step) => step - 1), value: 0 })];
  },
  cost: () => ({}),
  reads: ({ inputs: [x], attributes: { start, size, stride } }) => [
    start.map((from, along) => {
      const step = stride[along]!;
      return {
        along,
        repeat: { positions: 1, cells: step },
        part: from >= step || x!.shape[along]! - from > size[along]! * step,
        cells: (position) => [from + position * step],
      };
    }),
  ],
};

/** A box of `x`: `size[axis]` elements from `start[axis]` on, every `stride[axis]`-th (default 1). */
export function slice(x: Value, options: { start: readonly number[]; size: Shape; stride?: readonly number[] }): Value {
  const stride = options.stride ?? x.shape.map(() => 1);
  return apply1(sliceOp, [x], { start: [...options.start], size: [...options.size], stride: [...stride] });
}
