import { apply1, sizeOf, transpose, type Shape } from '@shoal/core';
import type { GradientWay } from '../gradient-weight.ts';
import type { Way } from '../lower.ts';
import { isLongEnough, isPlain, type WinogradQuestion } from '../../winograd/question.ts';
import { points, tilesOf, windowSide } from '../../winograd/tiles.ts';
import { filteringOf, type TileSide } from './filtering.ts';
import { winogradConvolution, winogradGradientWeight, winogradWeight, type WinogradAttributes } from './tiles.ts';

/**
 * Prices in units of one multiply-add of the product kernels, per number: from layers of 16 to 512 channels, on one core of an AMD
 * Zen 4 and of a Zen 3, with one image and with eight.
 */
const price = {
  /** One transformed source: read, computed, written. */
  source: 7,
  /** One product, transformed back. */
  product: 5,
  /** One weight that the products stream in from beyond the caches. */
  stream: 12,
  /** One transformed weight, where weights change from run to run. */
  transform: 24,
} as const;

/** Winograd must be estimated to be faster by this much: it rounds worse than the direct way. */
const margin = 1.1;

/** Bytes of transformed sources and products that a block keeps in the second-level cache. */
const blockBytes = 200_000;
const fewestTilesPerBlock = 6;
/** Weights of fewer bytes stay in the second-level cache from one block to the next: blocks may be as many as threads share well. */
const smallWeight = 700_000;
const blocksWanted = 12;
/** Weights of more bytes go through the caches seldom, over as many tiles as possible; those of fewer where one such block does. */
const largeWeight = 8_000_000;
const mostTilesPerBlock = 64;
const mostChannelsPerSlice = 128;
/** Units of work that a layer is cut into where blocks alone are too few. Each slice reads all sources of its block again. */
const unitsWanted = 8;

/**
 * The side of tiles that are faster than the direct way, if any is: a function of shapes, so that equal programs give equal bits. Small
 * tiles need more products and less than half as many transformed weights: they are for small maps of many channels, whose weights
 * stream in for few tiles.
 */
export function winogradSide(question: WinogradQuestion): TileSide | null {
  if (!isLongEnough(question)) return null;
  const { inner, outer, outputShape, isStatic } = question;
  const [batch, height, width] = outputShape;
  const weights = inner * outer;
  const direct = windowSide ** 2 * weights * (batch! * height! * width! + price.stream);
  const transform = isStatic ? 0 : price.transform * weights;
  const estimate = (side: TileSide): number => {
    const perTile = weights + price.source * inner + price.product * outer;
    return filteringOf(side).points * (tilesOf(outputShape, side).count * perTile + price.stream * weights + transform);
  };
  const [large, small] = [estimate(4), estimate(2)];
  if (margin * Math.min(large, small) >= direct) return null;
  return small < large ? 2 : 4;
}

/** Tiles of a block and panels of a slice. */
export function winogradBlocks(
  { inner, outer, outputShape }: Omit<WinogradQuestion, 'isStatic'>,
  side: TileSide,
  panel: number,
): Pick<WinogradAttributes, 'block' | 'panelsPerSlice'> {
  const { points } = filteringOf(side);
  const tiles = tilesOf(outputShape, side).count;
  const panels = Math.ceil(outer / panel);
  const weightBytes = points * inner * outer * 4;
  const isSmall = weightBytes <= smallWeight;
  const isLarge = weightBytes > largeWeight || (!isSmall && tiles <= mostTilesPerBlock);
  const fitting = Math.floor(blockBytes / (4 * points * (inner + outer)));
  const balanced = isSmall ? Math.min(fitting, Math.ceil(tiles / blocksWanted)) : fitting;
  const most = isLarge ? mostTilesPerBlock : Math.max(fewestTilesPerBlock, balanced);
  const blocks = Math.ceil(tiles / most);
  const block = Math.ceil(tiles / blocks);
  const slices = Math.max(Math.ceil((panels * panel) / mostChannelsPerSlice), Math.min(panels, Math.ceil(unitsWanted / blocks)));
  return { block, panelsPerSlice: Math.ceil(panels / slices) };
}

/** With fewer cells to sum over, direct sums are so short that Winograd errs more than 2.5 times as much as they do. */
const fewestCells = 256;

/** Whether F(3x3, 4x4) is faster than the direct way for the weight gradient of x and dy. A function of shapes. */
export function winogradGradientPays(x: Shape, dy: Shape): boolean {
  const [inner, outer] = [x[3]!, dy[3]!];
  const cells = Math.min(sizeOf(x) / inner, sizeOf(dy) / outer);
  if (!isLongEnough({ inner, outer, outputShape: dy }) || cells < fewestCells) return false;
  const weights = inner * outer;
  const perPoint = tilesOf(dy).count * (weights + price.source * (inner + outer)) + price.stream * weights;
  return margin * points * perPoint < windowSide ** 2 * weights * (sizeOf(dy) / outer);
}

/** A weight gradient that Winograd's way is faster for and that the device allows, said so; null for all others. */
export const applyWinogradGradient: GradientWay = ({ x, dy, convolution }, { device }) => {
  if (device.flags['winograd'] !== true || !isPlain(convolution) || !winogradGradientPays(x.shape, dy.shape)) return null;
  const { top, left } = convolution.padding;
  return apply1(winogradGradientWeight, [x, dy], { origin: { row: -top, column: -left } });
};

/** A convolution that Winograd's way is faster for and that the device allows, said so; null for all others. */
export const applyWinograd: Way = (planned, { device, isStatic }) => {
  const { source, weight, bias, convolution, outputShape, transposed, panel } = planned;
  if (device.flags['winograd'] !== true || !isPlain(convolution)) return null;
  const own = transposed ? transpose(weight, [0, 1, 3, 2]) : weight;
  const [, , inner, outer] = own.shape;
  const question = { inner: inner!, outer: outer!, outputShape };
  const side = winogradSide({ ...question, isStatic: isStatic(weight) });
  if (side === null) return null;
  const { block, panelsPerSlice } = winogradBlocks(question, side, panel);
  const { padding, phases } = planned.plan;
  const origin = { row: phases[0]!.source.row - padding.top, column: phases[0]!.source.column - padding.left };
  // A slice of weights that change and that one block reads is transformed where it is used: one panel, which stays in the cache.
  const isPlainWeight = !isStatic(weight) && block === tilesOf(outputShape, side).count;
  const pack = { side, turned: transposed, panel, panelsPerSlice: isPlainWeight ? 1 : panelsPerSlice };
  const attributes = { ...pack, block, origin, weightShape: own.shape, outputShape, isPlainWeight };
  const used = isPlainWeight ? own : apply1(winogradWeight, [own], pack);
  return apply1(winogradConvolution, [source, used, ...(bias ? [bias] : [])], attributes);
};
