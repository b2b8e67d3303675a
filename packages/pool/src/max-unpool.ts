import {
  apply1,
  checkArity,
  checkDtype,
  checkOptions,
  formatShape,
  nhwc,
  ShapeError,
  size2d,
  type Op,
  type Size2d,
  type Size2dOption,
  type Value,
} from '@shoal/core';
import { checkType } from './window.ts';

export interface MaxUnpoolAttributes {
  /** Height and width of the plane that is filled. */
  readonly output: Size2d;
}

/**
 * Puts each value where its winner says, zeros elsewhere: `x` f32 and `winner` i32 [n, h, w, c] -> `y` f32 and `source` i32
 * [n, oh, ow, c]. `winner` is `row * ow + column` in the plane of `y`, as `pool/max` gives it; a winner outside the plane puts nothing.
 *
 * Of several values with the same winner the last in row-major order is kept. `source` says which one that was, `row * w + column`
 * in the plane of `x`, or -1 where nothing was put, so that the gradient follows without searching.
 */
export const maxUnpool: Op<MaxUnpoolAttributes> = {
  name: 'pool/max-unpool',
  infer(inputs, { output }) {
    checkArity('pool/max-unpool', inputs, 2);
    const [x, winner] = [inputs[0]!, inputs[1]!];
    const [n, , , c] = nhwc('pool/max-unpool', x.shape);
    checkDtype('pool/max-unpool', 'x', x.dtype, 'f32');
    checkType('pool/max-unpool', 'winner', winner, x.shape, 'i32');
    const { height, width } = size2d('pool/max-unpool', 'output', output);
    const shape = [n, height, width, c];
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: 'i32' },
    ];
  },
  vjp: ({ inputs: [, winner], outputs: [, source], cotangents: [dy] }) => [
    dy ? apply1(maxUnpoolGradient, [dy, winner!, source!], {}) : null,
    null,
  ],
  cost: () => ({}),
};

/** Reads back what each value became: `dy` f32 and `source` i32 [n, oh, ow, c], `winner` i32 [n, h, w, c] -> `dx` [n, h, w, c], 0 for values that were not kept. */
export const maxUnpoolGradient: Op<object> = {
  name: 'pool/max-unpool-gradient',
  infer(inputs) {
    checkArity('pool/max-unpool-gradient', inputs, 3);
    const [dy, winner, source] = [inputs[0]!, inputs[1]!, inputs[2]!];
    const [n, , , c] = nhwc('pool/max-unpool-gradient', dy.shape);
    const [batch, , , channels] = nhwc('pool/max-unpool-gradient', winner.shape);
    checkDtype('pool/max-unpool-gradient', 'dy', dy.dtype, 'f32');
    checkDtype('pool/max-unpool-gradient', 'winner', winner.dtype, 'i32');
    checkType('pool/max-unpool-gradient', 'source', source, dy.shape, 'i32');
    if (n !== batch || c !== channels) {
      throw new ShapeError({
        op: 'pool/max-unpool-gradient',
        fact: `dy ${formatShape(dy.shape)} and winner ${formatShape(winner.shape)} differ in batch or channels`,
        next: 'Give what forward had',
      });
    }
    return [{ shape: winner.shape, dtype: 'f32' }];
  },
  vjp({ inputs: [dy, winner], cotangents: [ct] }) {
    const [, height, width] = nhwc('pool/max-unpool-gradient', dy!.shape);
    return [ct ? apply1(maxUnpool, [ct, winner!], { output: { height, width } }) : null, null, null];
  },
  cost: ({ outputs: [dx] }) => ({ comparisons: dx!.shape.reduce((size, n) => size * n, 1) }),
};

/**
 * Max unpooling (Zeiler, Taylor and Fergus, "Adaptive deconvolutional networks for mid and high level feature learning", ICCV 2011):
 * puts each value of `x` f32 [n, h, w, c] at its `winner` i32 [n, h, w, c] in a plane of zeros of size `output`. See {@link maxUnpool}.
 *
 * @throws ShapeError when `x` is not NHWC, `winner` has another shape or `output` is not positive; ShoalError `DTYPE` when `x` is not
 *   f32 or `winner` not i32, `ATTRIBUTE` for an unknown option
 */
export function maxUnpool2d(x: Value, winner: Value, options: { readonly output: Size2dOption }): Value {
  checkOptions('pool/max-unpool', options, ['output']);
  return apply1(maxUnpool, [x, winner], { output: size2d('pool/max-unpool', 'output', options.output) });
}
