import { apply1, sizeOf, transpose, type Shape } from '@shoal/core';
import type { GradientWay } from '../gradient-weight.ts';
import type { Planned, Way } from '../lower.ts';
import { isLongEnough, isPlain, type WinogradQuestion } from '../../winograd/question.ts';
import { tilesOf, windowSide } from '../../winograd/tiles.ts';
import { filteringOf, type StridedTiling, type Tiling } from './filtering.ts';
import { gradientFilteringOf } from './gradient-filtering.ts';
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
/** The same of convolutions with stride 2, which took up to 1.4 times their estimate, and of their weight gradients. */
const stridedMargin = { convolution: 1.5, gradient: 1.25 } as const;

/** Bytes of transformed sources and products that a block keeps in the second-level cache. */
const blockBytes = 200_000;
const fewestTilesPerBlock = 6;
/** Weights of fewer bytes stay in the second-level cache from one block to the next: blocks may be as many as threads share well. */
const smallWeight = 700_000;
const blocksWanted = 12;
/** Weights of more bytes go through the caches seldom, over as many tiles as possible; those of fewer where one such block does. */
const largeWeight = 8_000_000;
const mostTilesPerBlock = 64;
const mostPointsPerBlock = 2304;
const mostChannelsPerSlice = 128;
/** Units of work that a layer is cut into where blocks alone are too few. Each slice reads all sources of its block again. */
const unitsWanted = 8;

/** What one tiling is estimated to cost. */
function estimate({ inner, outer, outputShape, isStatic }: WinogradQuestion, tiling: Tiling): number {
  const { points, weights, outputSide } = filteringOf(tiling);
  const perTile = inner * outer + price.source * inner + price.product * outer;
  const perWeight = price.stream + (isStatic ? 0 : price.transform);
  return points * tilesOf(outputShape, outputSide).count * perTile + weights * perWeight * inner * outer;
}

/** What the direct way is estimated to cost, with all taps for so many cells. */
const estimateDirect = ({ inner, outer }: WinogradQuestion, cells: number): number =>
  windowSide ** 2 * inner * outer * (cells + price.stream);

/**
 * The side of tiles that are faster than the direct way, if any is: a function of shapes, so that equal programs give equal bits. Small
 * tiles need more products and less than half as many transformed weights: they are for small maps of many channels, whose weights
 * stream in for few tiles.
 */
export function winogradSide(question: WinogradQuestion): 2 | 4 | null {
  if (!isLongEnough(question)) return null;
  const [large, small] = [estimate(question, 4), estimate(question, 2)];
  if (margin * Math.min(large, small) >= estimateDirect(question, sizeOf(question.outputShape) / question.outer)) return null;
  return small < large ? 2 : 4;
}

/** Whether a convolution with stride 2 is faster in tiles. A function of shapes. */
export function stridedPays(question: WinogradQuestion, tiling: StridedTiling): boolean {
  if (!isLongEnough(question, filteringOf(tiling).outputSide)) return false;
  // Backward, cells of the output hear from nine taps four at a time.
  const cells = sizeOf(question.outputShape) / question.outer / (tiling === 'strided' ? 1 : 4);
  return stridedMargin.convolution * estimate(question, tiling) < estimateDirect(question, cells);
}

/** Tiles of a block and panels of a slice. */
export function winogradBlocks(
  { inner, outer, outputShape }: Omit<WinogradQuestion, 'isStatic'>,
  tiling: Tiling,
  panel: number,
): Pick<WinogradAttributes, 'block' | 'panelsPerSlice'> {
  const { points, weights, outputSide } = filteringOf(tiling);
  const tiles = tilesOf(outputShape, outputSide).count;
  const panels = Math.ceil(outer / panel);
  const weightBytes = weights * inner * outer * 4;
  const isSmall = weightBytes <= smallWeight;
  const mostTiles = Math.min(mostTilesPerBlock, Math.floor(mostPointsPerBlock / points));
  const isLarge = weightBytes > largeWeight || (!isSmall && tiles <= mostTiles);
  const fitting = Math.floor(blockBytes / (4 * points * (inner + outer)));
  const balanced = isSmall ? Math.min(fitting, Math.ceil(tiles / blocksWanted)) : fitting;
  const most = isLarge ? mostTiles : Math.max(fewestTilesPerBlock, balanced);
  const blocks = Math.ceil(tiles / most);
  const block = Math.ceil(tiles / blocks);
  const slices = Math.max(Math.ceil((panels * panel) / mostChannelsPerSlice), Math.min(panels, Math.ceil(unitsWanted / blocks)));
  return { block, panelsPerSlice: Math.ceil(panels / slices) };
}

/** With fewer cells to sum over, direct sums are so short that Winograd errs more than 2.5 times as much as they do. */
const fewestCells = 256;

/** Whether tiles of 4x4 cells of dy are faster than the direct way for the weight gradient of x and dy. A function of shapes. */
export function winogradGradientPays(x: Shape, dy: Shape, stride: 1 | 2): boolean {
  const [inner, outer] = [x[3]!, dy[3]!];
  const cells = Math.min(sizeOf(x) / inner, sizeOf(dy) / outer);
  if (!isLongEnough({ inner, outer, outputShape: dy }) || cells < fewestCells) return false;
  const { points, weights } = gradientFilteringOf(stride);
  const own = inner * outer;
  const cost = points * tilesOf(dy).count * (own + price.source * (inner + outer)) + weights * price.stream * own;
  return (stride === 1 ? margin : stridedMargin.gradient) * cost < windowSide ** 2 * own * (sizeOf(dy) / outer);
}

/** A weight gradient that Winograd's way is faster for and that the device allows, said so; null for all others. */
export const applyWinogradGradient: GradientWay = ({ x, dy, convolution }, { device }) => {
  const stride = isPlain(convolution) ? 1 : 2;
  if (device.flags['winograd'] !== true || !isPlain(convolution, stride) || !winogradGradientPays(x.shape, dy.shape, stride)) return null;
  const { top, left } = convolution.padding;
  return apply1(winogradGradientWeight, [x, dy], { stride, origin: { row: -top, column: -left } });
};

/** The tiles that are faster than the direct way, if any are. */
function tilingOf({ convolution, plan, transposed }: Planned, question: WinogradQuestion): Tiling | null {
  if (isPlain(convolution)) return winogradSide(question);
  if (!isPlain(convolution, 2)) return null;
  // The first cell hears from one tap, the one in the middle, or from the two others.
  const parity = ({ length }: readonly number[]): 0 | 1 => (length === 1 ? 1 : 0);
  const { weightRows, weightColumns } = plan.phases[0]!;
  const tiling: StridedTiling = transposed ? `backward ${parity(weightRows)}${parity(weightColumns)}` : 'strided';
  return stridedPays(question, tiling) ? tiling : null;
}

/** A convolution that Winograd's way is faster for and that the device allows, said so; null for all others. */
export const applyWinograd: Way = (planned, { device, isStatic }) => {
  const { source, weight, bias, outputShape, transposed, panel } = planned;
  if (device.flags['winograd'] !== true) return null;
  const own = transposed ? transpose(weight, [0, 1, 3, 2]) : weight;
  const [, , inner, outer] = own.shape;
  const question = { inner: inner!, outer: outer!, outputShape };
  const tiling = tilingOf(planned, { ...question, isStatic: isStatic(weight) });
  if (tiling === null) return null;
  const { block, panelsPerSlice } = winogradBlocks(question, tiling, panel);
  const { padding, phases } = planned.plan;
  const origin = { row: phases[0]!.source.row - padding.top, column: phases[0]!.source.column - padding.left };
  // A slice of weights that change and that one block reads is transformed where it is used: one panel, which stays in the cache.
  const isPlainWeight = !isStatic(weight) && block === tilesOf(outputShape, filteringOf(tiling).outputSide).count;
  const pack = { tiling, turned: transposed, panel, panelsPerSlice: isPlainWeight ? 1 : panelsPerSlice };
  const attributes = { ...pack, block, origin, weightShape: own.shape, outputShape, isPlainWeight };
  const used = isPlainWeight ? own : apply1(winogradWeight, [own], pack);
  return apply1(winogradConvolution, [source, used, ...(bias ? [bias] : [])], attributes);
};
