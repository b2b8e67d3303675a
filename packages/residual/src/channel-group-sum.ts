import { checkOptions, reduce, reshape, ShapeError, ShoalError, formatShape, type Value } from '@shoal/core';

export interface ChannelGroupSumOptions {
  /** How many channels come out; it divides the channels. */
  readonly groups: number;
  /** `contiguous` (default): output g sums channels g k to g k + k - 1; `interleaved`: channels g, g + groups, g + 2 groups ... */
  readonly layout?: 'contiguous' | 'interleaved';
}

const name = 'residual/channel-group-sum';

/**
 * Reduces channels by sums of k = c / groups of them, without parameters: the identity path of FishNet's up-refining blocks.
 *
 * @param x f32 [..., c]
 * @returns [..., groups]; `x` itself where k is 1
 * @throws ShapeError when `groups` does not divide the channels
 */
export function channelGroupSum(x: Value, options: ChannelGroupSumOptions): Value {
  checkOptions(name, options, ['groups', 'layout']);
  const { groups, layout = 'contiguous' } = options;
  if (x.shape.length < 1) throw new ShapeError({ op: name, fact: `x is ${formatShape(x.shape)}`, next: 'Give [..., c]' });
  const [outer, channels] = [x.shape.slice(0, -1), x.shape.at(-1)!];
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError({ op: name, fact: `${groups} groups do not divide ${channels} channels`, next: 'Use a divisor' });
  }
  if (layout !== 'contiguous' && layout !== 'interleaved') {
    throw new ShoalError('ATTRIBUTE', { op: name, fact: `unknown layout '${String(layout)}'`, next: 'Use contiguous or interleaved' });
  }
  const k = channels / groups;
  if (k === 1) return x;
  const split = reshape(x, layout === 'contiguous' ? [...outer, groups, k] : [...outer, k, groups]);
  return reduce(split, { kind: 'sum', axes: [layout === 'contiguous' ? -1 : -2] });
}
