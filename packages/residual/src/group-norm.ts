import {
  checkOptions,
  expression as e,
  formatShape,
  map,
  reshape,
  sameShape,
  ShapeError,
  ShoalError,
  sizeOf,
  type Value,
} from '@shoal/core';
import { mean } from '@shoal/math';

export interface GroupNormOptions {
  /** How many groups of consecutive channels; it divides the channels. */
  readonly groups: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

const name = 'residual/group-norm';

/**
 * Group normalisation (Wu and He, 2018): each image's groups of consecutive channels are normalised over positions and the group's
 * channels, by the biased variance; then `gamma` and `beta`, f32 [c], scale and shift each channel. The same in training and evaluation.
 *
 * @param x f32 [n, ..., c]
 * @throws ShapeError when `groups` does not divide the channels, or a vector is not [c]
 */
export function groupNorm(x: Value, vectors: { readonly gamma: Value; readonly beta: Value }, options: GroupNormOptions): Value {
  checkOptions(name, options, ['groups', 'epsilon']);
  const { groups, epsilon = 1e-5 } = options;
  if (x.shape.length < 2) throw new ShapeError({ op: name, fact: `x is ${formatShape(x.shape)}`, next: 'Give [n,h,w,c] or [n,c]' });
  const [n, channels] = [x.shape[0]!, x.shape.at(-1)!];
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError({ op: name, fact: `${groups} groups do not divide ${channels} channels`, next: 'Use a divisor' });
  }
  if (!(epsilon >= 0 && epsilon < Infinity))
    throw new ShoalError('ATTRIBUTE', { op: name, fact: `epsilon ${epsilon} is not a number of at least 0`, next: 'Use 1e-5' });
  for (const [what, { shape }] of Object.entries(vectors)) {
    if (!sameShape(shape, [channels]))
      throw new ShapeError({
        op: name,
        fact: `${what} is ${formatShape(shape)} for ${channels} channels`,
        next: `Give it shape [${channels}]`,
      });
  }
  const grouped = reshape(x, [n, sizeOf(x.shape.slice(1, -1)), groups, channels / groups]);
  const over = { axes: [1, 3], keep: true };
  const centred = map([grouped, mean(grouped, over)], (a, m) => e.sub(a, m));
  const variance = mean(
    map([centred], (a) => e.mul(a, a)),
    over,
  );
  const normalised = map([centred, variance], (a, v) => e.div(a, e.sqrt(e.add(v, epsilon))));
  return map([reshape(normalised, x.shape), vectors.gamma, vectors.beta], (a, g, b) => e.add(e.mul(a, g), b));
}
