import { apply, apply1, checkArity, sizeOf, type Op, type Value } from '@shoal/core';
import {
  checkType,
  countCells,
  pooledShape,
  readsPooled,
  resolvePool,
  type PoolAttributes,
  type PoolGradientAttributes,
  type PoolOptions,
} from './window.ts';

/**
 * The largest value of each window, and which cell won it: `x` [n, h, w, c] -> `y` f32 and `winner` i32, both [n, oh, ow, c].
 *
 * `winner` is `row * w + column` in the unpadded input plane, so a tie is broken once: the first maximum in row-major order wins,
 * on every backend. Padding never wins, not even against -Infinity. A NaN at any position of the window gives NaN, and `winner` is
 * the first NaN (WGSL promises nothing about NaN).
 */
export const maxPool: Op<PoolAttributes> = {
  name: 'pool/max',
  infer(inputs, attributes) {
    checkArity('pool/max', inputs, 1);
    const shape = pooledShape('pool/max', inputs[0]!, attributes);
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: 'i32' },
    ];
  },
  vjp({ inputs: [x], outputs: [, winner], cotangents: [dy], attributes }) {
    return [dy ? apply1(maxPoolGradient, [dy, winner!], { ...attributes, inputShape: x!.shape }) : null];
  },
  cost: ({ inputs: [x], outputs: [y], attributes }) => ({ comparisons: countCells(x!.shape, y!.shape, attributes) - sizeOf(y!.shape) }),
  reads: ({ inputs: [x], attributes }) => readsPooled(x!, attributes),
};

/** Adds up in each cell what arrives at the windows it won: `dy` and `winner` [n, oh, ow, c] -> `dx` [n, h, w, c]. Other cells get 0. */
export const maxPoolGradient: Op<PoolGradientAttributes> = {
  name: 'pool/max-gradient',
  infer(inputs, attributes) {
    checkArity('pool/max-gradient', inputs, 2);
    const dx = { shape: attributes.inputShape, dtype: 'f32' } as const;
    const pooled = pooledShape('pool/max-gradient', dx, attributes);
    checkType('pool/max-gradient', 'dy', inputs[0]!, pooled, 'f32');
    checkType('pool/max-gradient', 'winner', inputs[1]!, pooled, 'i32');
    return [dx];
  },
  vjp: ({ inputs: [, winner], cotangents: [ct], attributes }) => [ct ? apply1(maxPoolGather, [ct, winner!], attributes) : null, null],
  cost: ({ inputs: [dy] }) => ({ additions: sizeOf(dy!.shape) }),
};

/** Reads the winning cell of each window: `x` [n, h, w, c], any dtype, and `winner` [n, oh, ow, c] -> [n, oh, ow, c]. The adjoint of {@link maxPoolGradient}. */
export const maxPoolGather: Op<PoolGradientAttributes> = {
  name: 'pool/max-gather',
  infer(inputs, attributes) {
    checkArity('pool/max-gather', inputs, 2);
    const pooled = pooledShape('pool/max-gather', { shape: attributes.inputShape, dtype: 'f32' }, attributes);
    const { dtype } = inputs[0]!;
    checkType('pool/max-gather', 'x', inputs[0]!, attributes.inputShape, dtype);
    checkType('pool/max-gather', 'winner', inputs[1]!, pooled, 'i32');
    return [{ shape: pooled, dtype }];
  },
  vjp: ({ inputs: [, winner], cotangents: [ct], attributes }) => [ct ? apply1(maxPoolGradient, [ct, winner!], attributes) : null, null],
  cost: ({ outputs: [y] }) => ({ bytes: 12 * sizeOf(y!.shape) }),
};

/**
 * Max pooling (Weng, Ahuja and Huang, "Cresceptron", IJCNN 1992): `x` f32 [n, h, w, c] -> [n, oh, ow, c]. See {@link maxPool} for ties,
 * padding and NaN.
 *
 * @throws ShapeError when `x` is not NHWC, a size is not positive, the window is larger than the padded input, or the padding is as
 *   large as the window; ShoalError `ATTRIBUTE` for an unknown option, `DTYPE` when `x` is not f32
 */
export function maxPool2d(x: Value, options: PoolOptions): Value {
  return maxPool2dWithWinner(x, options).output;
}

export interface MaxPooled {
  readonly output: Value;
  /** The cell that won each window: i32, of the output's shape, `row * w + column` in the unpadded input plane. */
  readonly winner: Value;
}

/** {@link maxPool2d}, and the winner of each window. */
export function maxPool2dWithWinner(x: Value, options: PoolOptions): MaxPooled {
  const [output, winner] = apply(maxPool, [x], resolvePool('pool/max', x, options));
  return { output: output!, winner: winner! };
}
