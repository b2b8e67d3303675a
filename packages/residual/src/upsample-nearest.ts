import {
  apply1,
  checkArity,
  checkDtype,
  checkOptions,
  fill,
  formatShape,
  gradients,
  readsSame,
  sameShape,
  ShapeError,
  ShoalError,
  sizeOf,
  type AxisReads,
  type Op,
  type Shape,
  type Size2d,
  type Value,
} from '@shoal/core';
import { checkResampled, readAlong, resolveOutput, type UpsampleOptions } from './upsample.ts';

export interface UpsampleNearestAttributes {
  readonly output: Size2d;
  /** Which cell output j of `size` reads of `length`: `floor(j length / size)`, or `exact`, the one its centre lies in: `floor((j + 1/2) length / size)`. */
  readonly mode: 'floor' | 'exact';
}

export interface UpsampleNearestGradientAttributes extends UpsampleNearestAttributes {
  readonly inputShape: Shape;
}

const name = 'residual/upsample-nearest';
const gradientName = 'residual/upsample-nearest-gradient';

/** The input cell that output cell `j` of `size` copies, of `length`. In whole numbers, so that every backend agrees. */
export function nearestCell(mode: UpsampleNearestAttributes['mode'], j: number, length: number, size: number): number {
  return Math.floor(mode === 'floor' ? (j * length) / size : ((2 * j + 1) * length) / (2 * size));
}

/** Each output cell copies one input cell: [n,h,w,c] to [n,oh,ow,c]. Also shrinks, by leaving cells out. */
export const upsampleNearestOp: Op<UpsampleNearestAttributes> = {
  name,
  infer(inputs, attributes) {
    checkArity(name, inputs, 1);
    return [{ shape: resampledShape(name, inputs[0]!.shape, inputs[0]!.dtype, attributes), dtype: 'f32' }];
  },
  vjp: ({ inputs: [x], cotangents: [dy], attributes }) => [
    dy && apply1(upsampleNearestGradient, [dy], { ...attributes, inputShape: x!.shape }),
  ],
  cost: () => ({}),
  expand: ([x], attributes) => [expandNearest(x!, attributes)],
  reads({ inputs: [x], attributes: { output, mode } }) {
    const resized = (along: 1 | 2, size: number): AxisReads => {
      const length = x!.shape[along]!;
      return { along, repeat: { positions: size, cells: length }, cells: (position) => [nearestCell(mode, position, length, size)] };
    };
    return [[readsSame(0), resized(1, output.height), resized(2, output.width), readsSame(3)]];
  },
};

/** Sums into each input cell what arrives at its copies: `dy` [n,oh,ow,c] to [n,h,w,c]. */
export const upsampleNearestGradient: Op<UpsampleNearestGradientAttributes> = {
  name: gradientName,
  infer(inputs, { inputShape, ...attributes }) {
    checkArity(gradientName, inputs, 1);
    const { shape, dtype } = inputs[0]!;
    checkDtype(gradientName, 'dy', dtype, 'f32');
    const expected = resampledShape(gradientName, inputShape, dtype, attributes);
    if (!sameShape(shape, expected))
      throw new ShapeError({
        op: gradientName,
        fact: `dy is ${formatShape(shape)}, the output ${formatShape(expected)}`,
        next: 'Give it the shape of the output',
      });
    return [{ shape: inputShape, dtype: 'f32' }];
  },
  vjp: ({ cotangents: [ct], attributes: { output, mode } }) => [ct && apply1(upsampleNearestOp, [ct], { output, mode })],
  cost: ({ inputs: [dy] }) => ({ additions: sizeOf(dy!.shape) }),
  expand: ([dy], { inputShape, ...attributes }) => {
    const x = fill(0, inputShape);
    return gradients(expandNearest(x, attributes), [x], { seed: dy! });
  },
};

function resampledShape(op: string, inputShape: Shape, dtype: 'f32' | 'i32' | 'u32', { output, mode }: UpsampleNearestAttributes): Shape {
  const [n, , , c] = checkResampled(op, inputShape, dtype);
  if (mode !== 'floor' && mode !== 'exact')
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown mode '${String(mode)}'`, next: 'Use floor or exact' });
  return [n, output.height, output.width, c];
}

function expandNearest(x: Value, { output, mode }: UpsampleNearestAttributes): Value {
  const cells = (length: number, size: number): number[] => Array.from({ length: size }, (_, j) => nearestCell(mode, j, length, size));
  return readAlong(readAlong(x, 1, cells(x.shape[1]!, output.height)), 2, cells(x.shape[2]!, output.width));
}

export interface UpsampleNearestOptions extends UpsampleOptions {
  /** `floor` (default) is PyTorch's `nearest`, `exact` its `nearest-exact`. The same for whole factors. */
  readonly mode?: 'floor' | 'exact';
}

/**
 * Nearest-neighbour resampling of [n,h,w,c] to an `output` size, or by a whole `scale`.
 *
 * @throws ShapeError when a size is not a positive integer; ShoalError `ATTRIBUTE` unless exactly one of output and scale is given
 */
export function upsampleNearest(x: Value, options: UpsampleNearestOptions): Value {
  checkOptions(name, options, ['output', 'scale', 'mode']);
  return apply1(upsampleNearestOp, [x], { output: resolveOutput(name, x, options), mode: options.mode ?? 'floor' });
}
