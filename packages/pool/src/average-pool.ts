import { apply1, checkArity, nhwc, sizeOf, type Op, type Shape, type Value } from '@shoal/core';
import {
  checkType,
  countCells,
  noPadding,
  pooledShape,
  readsPooled,
  resolvePool,
  windowCells,
  type PoolAttributes,
  type PoolGradientAttributes,
  type PoolOptions,
} from './window.ts';

export interface AveragePoolAttributes extends PoolAttributes {
  /**
   * What a window's sum is divided by: its cells inside the input (`present`), its cells inside the input and the padding around it
   * (`padded`), or 1 (`one`: a sum). Cells beyond the padding, where a ceil-mode window overhangs, never count.
   */
  readonly divisor: 'present' | 'padded' | 'one';
}

/** The mean, or sum, of each window: `x` [n, h, w, c] -> [n, oh, ow, c]. Padding adds 0 to a sum; see {@link windowDivisors}. */
export const averagePool: Op<AveragePoolAttributes> = {
  name: 'pool/average',
  infer(inputs, attributes) {
    checkArity('pool/average', inputs, 1);
    return [{ shape: pooledShape('pool/average', inputs[0]!, attributes), dtype: 'f32' }];
  },
  vjp: ({ inputs: [x], cotangents: [dy], attributes }) => [
    dy ? apply1(averagePoolGradient, [dy], { ...attributes, inputShape: x!.shape }) : null,
  ],
  cost: ({ inputs: [x], outputs: [y], attributes }) => ({
    additions: countCells(x!.shape, y!.shape, attributes) - sizeOf(y!.shape),
    transcendentals: divisions(y!.shape, attributes),
  }),
  reads: ({ inputs: [x], attributes }) => readsPooled(x!, attributes),
};

/** Adds up in each cell `dy / divisor` of the windows it is in: `dy` [n, oh, ow, c] -> `dx` [n, h, w, c]. The adjoint of {@link averagePool}. */
export const averagePoolGradient: Op<PoolGradientAttributes<AveragePoolAttributes>> = {
  name: 'pool/average-gradient',
  infer(inputs, attributes) {
    checkArity('pool/average-gradient', inputs, 1);
    const dx = { shape: attributes.inputShape, dtype: 'f32' } as const;
    checkType('pool/average-gradient', 'dy', inputs[0]!, pooledShape('pool/average-gradient', dx, attributes), 'f32');
    return [dx];
  },
  vjp: ({ cotangents: [ct], attributes }) => [ct ? apply1(averagePool, [ct], attributes) : null],
  cost({ inputs: [dy], outputs: [dx], attributes }) {
    const [n, , , c] = nhwc('pool/average-gradient', dx!.shape);
    const { rows, columns } = windowCells(dx!.shape, dy!.shape, attributes);
    const reached = n * c * new Set(rows.flat()).size * new Set(columns.flat()).size;
    return { additions: countCells(dx!.shape, dy!.shape, attributes) - reached, transcendentals: divisions(dy!.shape, attributes) };
  },
};

const divisions = (pooled: Shape, { divisor }: AveragePoolAttributes): number => (divisor === 'one' ? 0 : sizeOf(pooled));

/** By what each window's sum is divided: window `(oh, ow)` by `rows[oh] * columns[ow]`. */
export interface WindowDivisors {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

export function windowDivisors(input: Shape, pooled: Shape, attributes: AveragePoolAttributes): WindowDivisors {
  const [n, height, width, c] = nhwc('pool/average', input);
  const { divisor, padding } = attributes;
  // To a window, padding that counts is what cells of a larger input without padding would be.
  const present = divisor === 'present';
  const around = present ? input : [n, padding.top + height + padding.bottom, padding.left + width + padding.right, c];
  const cells = windowCells(around, pooled, present ? attributes : { ...attributes, padding: noPadding });
  const count = (windows: readonly (readonly number[])[]): number[] => windows.map((window) => (divisor === 'one' ? 1 : window.length));
  return { rows: count(cells.rows), columns: count(cells.columns) };
}

export interface AveragePoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor. Default false: the mean of the cells that are there. */
  readonly countIncludePad?: boolean;
}

/**
 * Average pooling (LeCun et al., "Gradient-based learning applied to document recognition", 1998): `x` f32 [n, h, w, c] -> [n, oh, ow, c].
 * The divisor is the number of cells present, or with `countIncludePad` of cells present or padded, never of cells beyond the padding.
 *
 * @throws ShapeError when `x` is not NHWC, a size is not positive, the window is larger than the padded input, or the padding is as
 *   large as the window; ShoalError `ATTRIBUTE` for an unknown option, `DTYPE` when `x` is not f32
 */
export function averagePool2d(x: Value, { countIncludePad = false, ...options }: AveragePoolOptions): Value {
  return apply1(averagePool, [x], {
    ...resolvePool('pool/average', x, options, ['countIncludePad']),
    divisor: countIncludePad ? 'padded' : 'present',
  });
}
