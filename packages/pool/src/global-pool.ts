import { apply, expression as e, map, reduce, type Value } from '@shoal/core';
import { maxPool, type MaxPooled } from './max-pool.ts';
import { globalWindow, planeOf } from './window.ts';

/**
 * The mean of each whole plane (Lin, Chen and Yan, "Network in network", ICLR 2014): `x` f32 [n, h, w, c] -> [n, 1, 1, c].
 *
 * @throws ShapeError when `x` is not NHWC or its planes are empty; ShoalError `DTYPE` when `x` is not f32
 */
export function globalAveragePool2d(x: Value): Value {
  const { height, width } = planeOf('pool/global-average', x);
  return map([reduce(x, { kind: 'sum', axes: [1, 2], keep: true })], (sum) => e.div(sum, height * width));
}

/**
 * The largest value of each whole plane: `x` f32 [n, h, w, c] -> [n, 1, 1, c]. Ties and NaN as in `pool/max`.
 *
 * @throws ShapeError when `x` is not NHWC or its planes are empty; ShoalError `DTYPE` when `x` is not f32
 */
export function globalMaxPool2d(x: Value): Value {
  return globalMaxPool2dWithWinner(x).output;
}

/** {@link globalMaxPool2d}, and the winner of each plane. */
export function globalMaxPool2dWithWinner(x: Value): MaxPooled {
  const [output, winner] = apply(maxPool, [x], globalWindow('pool/global-max', x));
  return { output: output!, winner: winner! };
}
