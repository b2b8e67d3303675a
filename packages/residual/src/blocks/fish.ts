import { checkOptions, concat, formatShape, nhwc, ShapeError, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { maxPool2d } from '@shoal/pool';
import { channelGroupSum } from '../channel-group-sum.ts';
import { upsampleNearest } from '../upsample-nearest.ts';
import { contextKeys, layers, type BlockContext, type BlockResult } from './layers.ts';
import { bottleneckBranch } from './pre-activation.ts';

export interface FishBlockOptions extends BlockContext {
  /** Output channels. */
  readonly channels: number;
  /** Of the 3x3 convolution; default 1. */
  readonly dilation?: number;
  /** How the shortcut changes channels: `convolution` (default) of the normalised input, or by sums of neighbouring channels. */
  readonly reduce?: 'convolution' | 'group-sum';
}

/**
 * The residual block of FishNet (Sun et al., 2018): a pre-activation bottleneck at stride 1. Where the channels change, the shortcut is
 * a 1x1 convolution of the input under a batch norm of its own (`shortcut.0` and `shortcut.2`), or, without parameters, the sum
 * of each group of neighbouring channels.
 *
 * @param x [n,h,w,c]
 * @returns [n,h,w,channels]; variables bn1, conv1, bn2, conv2, bn3, conv3 and shortcut
 */
export function fishBlock(x: Value, options: FishBlockOptions): BlockResult {
  checkOptions('residual/fish-block', options, [...contextKeys, 'channels', 'dilation', 'reduce']);
  const { channels, dilation = 1, reduce = 'convolution' } = options;
  const net = layers(options, x);
  const branch = bottleneckBranch(net, relu(net.batchNorm('bn1', x)), { channels, dilation });
  if (nhwc('residual/fish-block', x.shape)[3] === channels) return net.result(add(branch, x));
  if (reduce === 'group-sum') return net.result(add(branch, channelGroupSum(x, { groups: channels })));
  const shortcut = net.conv('shortcut.2', relu(net.batchNorm('shortcut.0', x)), { channels });
  return net.result(add(branch, shortcut));
}

export interface FishGroupOptions extends FishBlockOptions {
  /** How many blocks; only the first changes the channels. Default 1. */
  readonly blocks?: number;
}

/** {@link fishBlock} several times over, named `0`, `1` ... */
export function fishGroup(x: Value, options: FishGroupOptions): BlockResult {
  checkOptions('residual/fish-group', options, [...contextKeys, 'channels', 'dilation', 'reduce', 'blocks']);
  const { blocks = 1, ...block } = options;
  const net = layers(options, x);
  const output = Array.from({ length: blocks }, (_, i) => net.at(`${i}`)).reduce(
    (y, context) => net.use(fishBlock(y, { ...block, ...context })),
    x,
  );
  return net.result(output);
}

export interface RefineBlockOptions extends BlockContext {
  /** Channels of the trunk's part of the output; default those of the trunk. */
  readonly channels?: number;
  /** Residual blocks on the trunk; default 1. */
  readonly blocks?: number;
  /** Residual blocks on the branch; default 1. */
  readonly transferBlocks?: number;
}

export interface UpRefineBlockOptions extends RefineBlockOptions {
  /** Of the trunk's 3x3 convolutions; default 1. */
  readonly dilation?: number;
}

/**
 * FishNet's up-sampling and refinement (UR) block, of its body: the trunk is refined, its channels reduced by group sums, and doubled
 * in height and width by repetition; the branch, an older feature of that size, is refined and put behind it. Neither the sums nor
 * the repetition has parameters, so gradients reach older features unchanged.
 *
 * @param trunk [n,h,w,c], c being a multiple of `channels`
 * @param branch [n,2h,2w,d]
 * @returns [n,2h,2w,channels + d]; variables `0.BLOCK` of the trunk and `1.BLOCK` of the branch
 * @throws ShapeError when the branch is not twice as large, or `channels` does not divide c
 */
export function upRefineBlock(trunk: Value, branch: Value, options: UpRefineBlockOptions): BlockResult {
  const op = 'residual/up-refine-block';
  checkOptions(op, options, [...contextKeys, 'channels', 'blocks', 'transferBlocks', 'dilation']);
  const [, h, w, c] = nhwc(op, trunk.shape);
  checkBranch(op, trunk, branch, [2 * h, 2 * w]);
  const { channels = c, blocks = 1, transferBlocks = 1, dilation = 1 } = options;
  const net = layers(options, trunk, branch);
  const refined = net.use(fishGroup(trunk, { ...net.at('0'), channels, blocks, dilation, reduce: 'group-sum' }));
  const transferred = net.use(fishGroup(branch, { ...net.at('1'), channels: branch.shape[3]!, blocks: transferBlocks }));
  return net.result(concat([net.tap('resized', upsampleNearest(refined, { scale: 2 })), transferred], -1));
}

/**
 * FishNet's down-sampling and refinement (DR) block, of its head: the trunk is refined and halved by 2x2 max pooling; the branch, an
 * older feature of that size, is refined and put behind it. No strided convolution: the shortcut path has no convolution at all.
 *
 * @param trunk [n,h,w,c]
 * @param branch [n, floor(h / 2), floor(w / 2), d]
 * @returns [n, floor(h / 2), floor(w / 2), channels + d]; variables `0.BLOCK` of the trunk and `1.BLOCK` of the branch
 * @throws ShapeError when the branch is not half as large
 */
export function downRefineBlock(trunk: Value, branch: Value, options: RefineBlockOptions): BlockResult {
  const op = 'residual/down-refine-block';
  checkOptions(op, options, [...contextKeys, 'channels', 'blocks', 'transferBlocks']);
  const [, h, w, c] = nhwc(op, trunk.shape);
  checkBranch(op, trunk, branch, [Math.floor(h / 2), Math.floor(w / 2)]);
  const { channels = c, blocks = 1, transferBlocks = 1 } = options;
  const net = layers(options, trunk, branch);
  const refined = net.use(fishGroup(trunk, { ...net.at('0'), channels, blocks }));
  const transferred = net.use(fishGroup(branch, { ...net.at('1'), channels: branch.shape[3]!, blocks: transferBlocks }));
  return net.result(concat([net.tap('resized', maxPool2d(refined, { window: 2 })), transferred], -1));
}

function checkBranch(op: string, trunk: Value, branch: Value, [height, width]: readonly [number, number]): void {
  const [n, h, w] = nhwc(op, branch.shape);
  if (n === trunk.shape[0] && h === height && w === width) return;
  throw new ShapeError({
    op,
    fact: `branch ${formatShape(branch.shape)} does not fit trunk ${formatShape(trunk.shape)}, resized to ${height}x${width}`,
    next: 'Take the feature of that size',
  });
}
