import {
  apply1,
  checkArity,
  checkDtype,
  checkOptions,
  constant,
  expression as e,
  fill,
  formatShape,
  gradients,
  map,
  readsSame,
  sameShape,
  ShapeError,
  sizeOf,
  type AxisReads,
  type Op,
  type Shape,
  type Size2d,
  type Value,
} from '@shoal/core';
import { checkResampled, readAlong, resolveOutput, type UpsampleOptions } from './upsample.ts';

export interface UpsampleBilinearAttributes {
  readonly output: Size2d;
  /** True: the corner cells' centres coincide. False: the corners of the planes do (half-pixel centres), clamped at the edges. */
  readonly alignCorners: boolean;
}

export interface UpsampleBilinearGradientAttributes extends UpsampleBilinearAttributes {
  readonly inputShape: Shape;
}

/** Two neighbouring cells; the higher one counts `weight`, the lower one `1 - weight`. */
export interface Between {
  readonly low: number;
  readonly high: number;
  readonly weight: number;
}

const name = 'residual/upsample-bilinear';
const gradientName = 'residual/upsample-bilinear-gradient';

/**
 * Where output cell `j` of `size` lies among `length` input cells: at `j (length - 1) / (size - 1)` with aligned corners (0 where
 * size is 1), else at `(j + 1/2) length / size - 1/2`, not below 0. Past the last cell, `high` is the last cell too.
 */
export function bilinearCells(alignCorners: boolean, j: number, length: number, size: number): Between {
  const aligned = size > 1 ? (j * (length - 1)) / (size - 1) : 0;
  const position = alignCorners ? aligned : Math.max(0, ((j + 0.5) * length) / size - 0.5);
  const low = Math.min(Math.floor(position), length - 1);
  return { low, high: Math.min(low + 1, length - 1), weight: position - low };
}

/** Bilinear resampling: [n,h,w,c] to [n,oh,ow,c], along the width first in each of two rows, then between the rows. */
export const upsampleBilinearOp: Op<UpsampleBilinearAttributes> = {
  name,
  infer(inputs, { output }) {
    checkArity(name, inputs, 1);
    const [n, , , c] = checkResampled(name, inputs[0]!.shape, inputs[0]!.dtype);
    return [{ shape: [n, output.height, output.width, c], dtype: 'f32' }];
  },
  vjp: ({ inputs: [x], cotangents: [dy], attributes }) => [
    dy && apply1(upsampleBilinearGradient, [dy], { ...attributes, inputShape: x!.shape }),
  ],
  cost: ({ outputs: [y] }) => ({ multiplyAccumulates: 4 * sizeOf(y!.shape) }),
  expand: ([x], attributes) => [expandBilinear(x!, attributes)],
  reads({ inputs: [x], attributes: { output, alignCorners } }) {
    const resized = (along: 1 | 2, size: number): AxisReads => {
      const length = x!.shape[along]!;
      // Whole numbers, so that a cell whose weight is exactly 0 is seen to be none. Not clamped: the plane is taken to go on.
      const [step, shift, unit] = alignCorners ? [length - 1, 0, Math.max(1, size - 1)] : [2 * length, length - size, 2 * size];
      const repeat = alignCorners ? { positions: unit, cells: step } : { positions: size, cells: length };
      const cells = (position: number): readonly number[] => {
        const scaled = position * step + shift;
        const low = Math.floor(scaled / unit);
        return scaled % unit === 0 ? [low] : [low, low + 1];
      };
      return { along, repeat, cells };
    };
    return [[readsSame(0), resized(1, output.height), resized(2, output.width), readsSame(3)]];
  },
};

/** Sums into each input cell its share of what arrives at the outputs that read it: `dy` [n,oh,ow,c] to [n,h,w,c]. */
export const upsampleBilinearGradient: Op<UpsampleBilinearGradientAttributes> = {
  name: gradientName,
  infer(inputs, { inputShape, output }) {
    checkArity(gradientName, inputs, 1);
    const { shape, dtype } = inputs[0]!;
    checkDtype(gradientName, 'dy', dtype, 'f32');
    const [n, , , c] = checkResampled(gradientName, inputShape, dtype);
    const expected = [n, output.height, output.width, c];
    if (!sameShape(shape, expected))
      throw new ShapeError({
        op: gradientName,
        fact: `dy is ${formatShape(shape)}, the output ${formatShape(expected)}`,
        next: 'Give it the shape of the output',
      });
    return [{ shape: inputShape, dtype: 'f32' }];
  },
  vjp: ({ cotangents: [ct], attributes: { output, alignCorners } }) => [ct && apply1(upsampleBilinearOp, [ct], { output, alignCorners })],
  cost: ({ inputs: [dy] }) => ({ multiplyAccumulates: 4 * sizeOf(dy!.shape) }),
  expand: ([dy], { inputShape, ...attributes }) => {
    const x = fill(0, inputShape);
    return gradients(expandBilinear(x, attributes), [x], { seed: dy! });
  },
};

function expandBilinear(x: Value, { output, alignCorners }: UpsampleBilinearAttributes): Value {
  return interpolate(interpolate(x, 2, output.width, alignCorners), 1, output.height, alignCorners);
}

/** Linear interpolation along one axis. */
function interpolate(x: Value, axis: number, size: number, alignCorners: boolean): Value {
  const cells = Array.from({ length: size }, (_, j) => bilinearCells(alignCorners, j, x.shape[axis]!, size));
  const read = (which: 'low' | 'high'): Value => readAlong(x, axis, cells.map((cell) => cell[which])); // prettier-ignore
  const weights = constant(cells.map(({ weight }) => weight), x.shape.map((_, i) => (i === axis ? size : 1))); // prettier-ignore
  return map([read('low'), read('high'), weights], (low, high, w) => e.add(e.mul(low, e.sub(1, w)), e.mul(high, w)));
}

export interface UpsampleBilinearOptions extends UpsampleOptions {
  /** Default false. */
  readonly alignCorners?: boolean;
}

/**
 * Bilinear resampling of [n,h,w,c] to an `output` size, or by a whole `scale`. Shrinking reads four cells per output and no more:
 * it does not average.
 *
 * @throws ShapeError when a size is not a positive integer; ShoalError `ATTRIBUTE` unless exactly one of output and scale is given
 */
export function upsampleBilinear(x: Value, options: UpsampleBilinearOptions): Value {
  checkOptions(name, options, ['output', 'scale', 'alignCorners']);
  return apply1(upsampleBilinearOp, [x], { output: resolveOutput(name, x, options), alignCorners: options.alignCorners ?? false });
}
