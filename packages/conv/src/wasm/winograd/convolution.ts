import { atMost, forPiece, forUnits, wasmKernel, type Scratch, type Stage, type WasmKernel, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local } from '@shoal/backend-wasm/encoder';
import { nhwc } from '@shoal/core';
import { productFunction } from './products.ts';
import { emitOutputTile, emitTransformedTile, placeOf, type TilePlace, type TransformedTiles } from './tile.ts';
import { tilesOf } from '../../winograd/tiles.ts';
import { filteringOf, type Filtering } from './filtering.ts';
import { emitFilterRows } from './weight.ts';
import { staggered, winogradConvolution, winogradSizes, type WinogradAttributes } from './tiles.ts';

/** Blocks from which on each transforms its own sources; fewer are cut by output channels as well and share them. */
const blocksEnough = 8;
/** Source cells times channels that a tile of work aims at where sources are transformed by themselves. */
const cellsWanted = 32768;

/** Numbers from which on rows so far apart, or a multiple of it, share few lines of a cache; and those of a line. */
const [aliasing, line] = [256, 16];

/** All that the emitters share. Sizes in bytes are called so, the others are elements. */
export interface WinogradPlan {
  readonly attributes: WinogradAttributes;
  readonly filtering: Filtering;
  readonly source: TransformedTiles;
  readonly target: { readonly height: number; readonly width: number; readonly channels: number };
  readonly tiles: ReturnType<typeof tilesOf>;
  readonly sizes: ReturnType<typeof winogradSizes>;
  readonly hasBias: boolean;
  /** Null where nobody reads moments. */
  readonly leaveMoments: LeaveMoments | null;
  /** Vectors that are computed side by side. */
  readonly vectors: number;
  /** Transformed sources of one tile at one point. */
  readonly sourceRowBytes: number;
  readonly productRowBytes: number;
  readonly productPointBytes: number;
}

/**
 * Winograd convolution. Tiles of the output are numbered over the whole batch and go through in blocks: the sources of a block are
 * transformed, multiplied with one slice of the weights after the other (a product of matrices per point: 36, 16 or, with stride 2, 81 of
 * them), and the products transformed back. Where there are few blocks the sources of all are transformed first, and blocks times slices
 * shared among threads.
 */
export const winogradConvolutionWith = (leaveMoments: LeaveMoments | null): WasmKernel =>
  wasmKernel(winogradConvolution, (site) => emit(site, leaveMoments), { fusion: { epilogue: true, slice: true } });

export const winogradConvolutionWasm = winogradConvolutionWith(null);

function emit(site: WasmSite<WinogradAttributes>, leaveMoments: LeaveMoments | null): void {
  const { attributes, inputs, outputs } = site;
  const [, height, width, channels] = nhwc(winogradConvolution.name, inputs[0]!.shape);
  const [, outputHeight, outputWidth, outputChannels] = nhwc(winogradConvolution.name, outputs[0]!.shape);
  const filtering = filteringOf(attributes.tiling);
  const { points, weights: weightCount, sourceSide, outputSide } = filtering;
  const tiles = tilesOf(outputs[0]!.shape, outputSide);
  const sizes = winogradSizes(attributes.weightShape, attributes);
  const blocks = Math.ceil(tiles.count / attributes.block);
  const isShared = blocks < blocksEnough;
  // Rows a power of two apart fall onto the same lines of the first-level cache.
  const row = channels % aliasing === 0 ? channels + line : Math.ceil(channels / 4) * 4;
  const slice = attributes.panel * attributes.panelsPerSlice;
  const vectors = site.engine.wide ? 2 : 1;
  const plan: WinogradPlan = {
    attributes,
    filtering,
    source: {
      height,
      width,
      channels,
      side: sourceSide,
      transform: filtering.source,
      factors: filtering.factors.source,
      vectors,
      pointBytes: staggered((isShared ? tiles.count : attributes.block) * row) * 4,
    },
    target: { height: outputHeight, width: outputWidth, channels: outputChannels },
    tiles,
    sizes,
    hasBias: inputs.length > 2,
    leaveMoments: site.wanted[1] ? leaveMoments : null,
    vectors,
    sourceRowBytes: row * 4,
    productRowBytes: slice * 4,
    productPointBytes: staggered(attributes.block * slice) * 4,
  };
  const sources = site.scratch(points * plan.source.pointBytes, { perThread: !isShared });
  const patch = site.scratch(sourceSide ** 2 * channels * 4 + 16, { perThread: true });
  const products = site.scratch(points * plan.productPointBytes, { perThread: true });
  const weights = attributes.isPlainWeight ? site.scratch(weightCount * sizes.pointSize * 4, { perThread: true }) : null;
  /** Transforms the sources of `perTile` tiles; those of a block by itself are counted from its first on. */
  const emitSources = (stage: Stage, perTile: number): void => {
    const { f, tile } = stage;
    const { i32 } = f;
    forUnits(stage, tiles.count, perTile, (index) => {
      const own = isShared ? index : i32.sub(index, i32.mul(tile, perTile));
      const to = f.let(i32.add(stage.scratch(sources), i32.mul(own, plan.sourceRowBytes)));
      emitTransformedTile(f, plan.source, { place: sourceOf(plan, f, index), from: stage.input(0), patch: stage.scratch(patch), to });
    });
  };
  const sourcesPerTile = Math.max(1, Math.floor(cellsWanted / (points * channels)));
  if (isShared) {
    site.stage({ tiles: Math.ceil(tiles.count / sourcesPerTile) }, (stage) => emitSources(stage, sourcesPerTile));
    site.stage({ tiles: blocks * sizes.slices }, (stage) => {
      const { f, tile } = stage;
      const block = f.let(f.i32.remU(tile, blocks));
      const from = f.let(f.i32.add(stage.scratch(sources), f.i32.mul(block, attributes.block * plan.sourceRowBytes)));
      emitSlice(plan, site, stage, { block, blocks, slice: f.let(f.i32.divU(tile, blocks)), sources: from, products, weights });
    });
    return;
  }
  site.stage({ tiles: blocks }, (stage) => {
    const { f, tile } = stage;
    emitSources(stage, attributes.block);
    const slice = f.local.i32();
    f.for(slice, 0, sizes.slices, 1, () => {
      emitSlice(plan, site, stage, { block: tile, blocks, slice, sources: stage.scratch(sources), products, weights });
    });
  });
}

/** The source cells that tile `index` reads: the first may lie outside. */
function sourceOf({ attributes: { origin }, filtering, tiles }: WinogradPlan, f: FunctionBuilder, index: Local<'i32'>): TilePlace {
  const { image, row, column } = placeOf(f, tiles, filtering.sourceStep, index);
  return { image, row: f.let(f.i32.add(row, origin.row)), column: f.let(f.i32.add(column, origin.column)) };
}

/** A slice of the output channels of a block of tiles. */
export interface StoredSlice {
  readonly block: Local<'i32'>;
  readonly blocks: number;
  readonly slice: Local<'i32'>;
}

/** Writes the moments of what a slice has become in output 0. */
export type LeaveMoments = (plan: WinogradPlan, stage: Stage, stored: StoredSlice) => void;

interface SlicePlace extends StoredSlice {
  readonly sources: Local<'i32'>;
  readonly products: Scratch;
  /** Where a thread transforms the weights of its slice; null where they come transformed. */
  readonly weights: Scratch | null;
}

/** Multiplies a block of tiles with a slice of the weights, and transforms the products back. */
function emitSlice(plan: WinogradPlan, site: WasmSite<WinogradAttributes>, stage: Stage, place: SlicePlace): void {
  const { attributes, tiles } = plan;
  const { f } = stage;
  const { i32 } = f;
  const weights = place.weights
    ? emitSliceWeights(plan, stage, place.slice, stage.scratch(place.weights))
    : f.let(i32.add(stage.input(1), i32.mul(place.slice, plan.filtering.weights * plan.sizes.pointSize * 4)));
  forPiece(f, { total: tiles.count, size: attributes.block, isLast: () => i32.eq(place.block, place.blocks - 1) }, (rows) =>
    emitProducts(plan, site, stage, { ...place, weights }, rows),
  );
  const from = f.let(stage.scratch(place.products));
  forUnits({ f, tile: place.block }, tiles.count, attributes.block, (index) => {
    emitOutputTile(plan, stage, { slice: place.slice, from, place: placeOf(f, tiles, plan.filtering.outputSide, index) });
    f.set(from, i32.add(from, plan.productRowBytes));
  });
  plan.leaveMoments?.(plan, stage, place);
}

/** Transforms the weights of a slice; those of a panel that does not exist hold anything. */
function emitSliceWeights(plan: WinogradPlan, { f, input }: Stage, slice: Local<'i32'>, to: Local<'i32'>): Local<'i32'> {
  const { i32 } = f;
  const { inner, outer, panels, pointSize } = plan.sizes;
  const { tiling, turned, panel, panelsPerSlice } = plan.attributes;
  const rows = { tiling, turned, panel, tap: inner * outer, outer, pointSize, vectors: plan.vectors };
  const first = f.let(i32.mul(slice, panelsPerSlice));
  const [index, target] = [f.local.i32(), f.let(to)];
  f.for(index, first, f.let(atMost(f, i32.add(first, panelsPerSlice), panels)), 1, () => {
    const source = f.let(i32.add(input(1), i32.mul(index, panel * 4)));
    emitFilterRows(f, rows, { source, target, count: inner });
  });
  return to;
}

/** The products of `rows` tiles with one slice, point by point. */
function emitProducts(
  plan: WinogradPlan,
  site: WasmSite<WinogradAttributes>,
  stage: Stage,
  place: Omit<SlicePlace, 'weights'> & { readonly weights: Local<'i32'> },
  rows: number,
): void {
  const { attributes, sizes } = plan;
  const { panel, panelsPerSlice } = attributes;
  const { f } = stage;
  const { i32 } = f;
  const ofLanes = (lanes: number): ReturnType<typeof productFunction> =>
    productFunction(site.module, {
      rows,
      lanes,
      inner: sizes.inner,
      sourceRow: plan.sourceRowBytes,
      productRow: plan.productRowBytes,
      panel,
      tileRows: site.engine.tileRows,
    });
  const isLast = f.let(i32.eq(place.slice, sizes.slices - 1));
  const panelsOfLast = sizes.panels - (sizes.slices - 1) * panelsPerSlice;
  const panels = f.let(f.select(i32.const(panelsOfLast), i32.const(panelsPerSlice), isLast));
  const source = f.let(place.sources);
  const product = f.let(stage.scratch(place.products));
  const weight = f.let(place.weights);
  for (const { weights, products } of plan.filtering.classes) {
    const [point, index, each] = [f.local.i32(), f.local.i32(), f.local.i32()];
    f.for(point, 0, weights, 1, () => {
      f.for(index, 0, panels, 1, () => {
        const operands = {
          source: f.let(source),
          weight: f.let(i32.add(weight, i32.mul(index, sizes.inner * panel * 4))),
          product: f.let(i32.add(product, i32.mul(index, panel * 4))),
        };
        const isLastPanel = (): I32 => i32.and(isLast, i32.eq(index, panelsOfLast - 1));
        f.for(each, 0, products, 1, () => {
          forPiece(f, { total: sizes.outer, size: panel, isLast: isLastPanel }, (lanes) => f.call(ofLanes(lanes), operands));
          f.set(operands.source, i32.add(operands.source, plan.source.pointBytes));
          f.set(operands.product, i32.add(operands.product, plan.productPointBytes));
        });
      });
      f.set(source, i32.add(source, products * plan.source.pointBytes));
      f.set(product, i32.add(product, products * plan.productPointBytes));
      f.set(weight, i32.add(weight, sizes.pointSize * 4));
    });
  }
}
