import { apply1, transpose, type Lowering, type Value } from '@shoal/core';
import type { Conv2dAttributes } from '../../geometry.ts';
import type { TapPlan } from '../taps.ts';
import { isLongEnough, isPlain, type WinogradQuestion } from '../../winograd/question.ts';
import { points, tilesOf, windowSide } from '../../winograd/tiles.ts';
import { winogradConvolution, winogradWeight, type WinogradAttributes } from './tiles.ts';

/**
 * Prices in units of one multiply-add of the product kernels, per number: from layers of 16 to 512 channels, on one core of an AMD
 * Zen 4 with one image and with eight.
 */
const price = {
  /** One transformed source: read, computed, written. */
  source: 7,
  /** One product, transformed back. */
  product: 5,
  /** One weight that the products stream in from beyond the caches. */
  stream: 7,
  /** One transformed weight, where weights change from run to run. */
  transform: 24,
} as const;

/** Winograd must be estimated to be faster by this much: it rounds worse than the direct way. */
const margin = 1.1;

/** Bytes of transformed sources and products that a block keeps in the second-level cache. */
const blockBytes = 400_000;
const fewestTilesPerBlock = 6;
/** Weights of fewer bytes stay in the second-level cache from one block to the next: blocks may be as many as threads share well. */
const smallWeight = 700_000;
const blocksWanted = 12;
/** Weights of more bytes go through the caches once, over as many tiles as possible. */
const largeWeight = 10_000_000;
const mostTilesPerBlock = 128;
const mostChannelsPerSlice = 128;
/** Units of work that a layer is cut into where blocks alone are too few. */
const unitsWanted = 16;

/** Whether F(4x4, 3x3) is faster than the direct way: a function of shapes, so that equal programs give equal bits. */
export function winogradPays(question: WinogradQuestion): boolean {
  if (!isLongEnough(question)) return false;
  const { inner, outer, outputShape, isStatic } = question;
  const [batch, height, width] = outputShape;
  const weights = inner * outer;
  const direct = windowSide ** 2 * weights * (batch! * height! * width! + price.stream);
  const tiles = tilesOf(outputShape).count;
  const perPoint = tiles * (weights + price.source * inner + price.product * outer) + price.stream * weights;
  const transform = isStatic ? 0 : price.transform * weights;
  return margin * points * (perPoint + transform) < direct;
}

/** Tiles of a block and panels of a slice. */
export function winogradBlocks(
  { inner, outer, outputShape }: Omit<WinogradQuestion, 'isStatic'>,
  panel: number,
): Pick<WinogradAttributes, 'block' | 'panelsPerSlice'> {
  const tiles = tilesOf(outputShape).count;
  const panels = Math.ceil(outer / panel);
  const isLarge = points * inner * outer * 4 > largeWeight;
  const fitting = Math.floor(blockBytes / (4 * points * (inner + outer)));
  const balanced = points * inner * outer * 4 > smallWeight ? fitting : Math.min(fitting, Math.ceil(tiles / blocksWanted));
  const most = isLarge ? mostTilesPerBlock : Math.max(fewestTilesPerBlock, balanced);
  const blocks = Math.ceil(tiles / most);
  const block = Math.ceil(tiles / blocks);
  if (isLarge) return { block, panelsPerSlice: 1 };
  const slices = Math.max(Math.ceil((panels * panel) / mostChannelsPerSlice), Math.min(panels, Math.ceil(unitsWanted / blocks)));
  return { block, panelsPerSlice: Math.ceil(panels / slices) };
}

/** A convolution that Winograd's way is faster for and that the device allows, said so; null for all others. */
export function applyWinograd(
  { phases: [phase], padding }: TapPlan,
  { source, weight, bias }: { readonly source: Value; readonly weight: Value; readonly bias?: Value | undefined },
  convolution: Conv2dAttributes,
  { outputShape, transposed, panel }: Pick<WinogradAttributes, 'outputShape' | 'panel'> & { readonly transposed: boolean },
  { device, isStatic }: Lowering,
): Value | null {
  if (device.flags['winograd'] !== true || !isPlain(convolution)) return null;
  const own = transposed ? transpose(weight, [0, 1, 3, 2]) : weight;
  const [, , inner, outer] = own.shape;
  const question = { inner: inner!, outer: outer!, outputShape };
  if (!winogradPays({ ...question, isStatic: isStatic(weight) })) return null;
  const { block, panelsPerSlice } = winogradBlocks(question, panel);
  const pack = { turned: transposed, panel, panelsPerSlice };
  const origin = { row: phase!.source.row - padding.top, column: phase!.source.column - padding.left };
  const attributes = { ...pack, block, origin, weightShape: own.shape, outputShape };
  return apply1(winogradConvolution, [source, apply1(winogradWeight, [own], pack), ...(bias ? [bias] : [])], attributes);
}
