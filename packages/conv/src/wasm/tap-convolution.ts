import {
  atMost,
  cutRows,
  forPiece,
  startSums,
  sumProducts,
  wasmKernel,
  type Stage,
  type WasmKernel,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { Local, Operand } from '@shoal/backend-wasm/encoder';
import { nhwc, type Nhwc } from '@shoal/core';
import type { LeaveMoments } from './moments.ts';
import { packSizes, range, tapConvolution, type PackSizes, type TapAttributes, type TapPhase } from './taps.ts';

/** Output cells that a tile of work aims at: enough to use a panel of weights often, few enough that threads end together. */
const cellsPerTile = 56;
/** Tiles that a stage aims at where the shape allows. */
const tilesWanted = 16;

/** Everything about one phase that the emitters need, in bytes. */
interface Emission {
  readonly stage: Stage;
  readonly tileRows: number;
  readonly phase: TapPhase;
  readonly sizes: PackSizes;
  readonly hasBias: boolean;
  readonly panel: number;
  readonly panelBytes: number;
  readonly groups: number;
  readonly source: { readonly row: number; readonly column: number; readonly image: number; readonly step: number };
  readonly target: { readonly row: number; readonly column: number; readonly image: number };
  /** Consecutive numbers that one tap (or a whole row of taps, where they touch) reads. */
  readonly run: number;
  readonly runs: { readonly count: number; readonly step: number };
}

/**
 * Direct convolution without im2col: a micro-tile is up to six neighbouring output cells by one panel of output channels, held
 * in registers over the whole sum. Weights come from panels in the order they are used; a source cell is read by its address.
 */
export const tapConvolutionWith = (leaveMoments: LeaveMoments | null): WasmKernel =>
  wasmKernel(
    tapConvolution,
    (site) => {
      site.attributes.phases.forEach((phase, index) => {
        if (phase.grid.height * phase.grid.width > 0) emitPhase(site, phase, index, leaveMoments);
      });
    },
    { fusion: { epilogue: true, slice: true }, inPlace: () => ({ epilogue: true }) },
  );

export const tapConvolutionWasm = tapConvolutionWith(null);

type TapSite = Pick<WasmSite<TapAttributes>, 'attributes' | 'inputs' | 'outputs'>;

/** Shortest row of cells that micro-tiles cut well. */
const shortRow = 24;

/**
 * Source, output and phase as the emitters walk them. Where cells map one to one (1x1 at stride 1), rows are joined into longer
 * ones, over the whole batch: rows of 7 are cut badly, rows of 49 are not.
 */
function planesOf({ attributes, inputs, outputs }: TapSite, phase: TapPhase): { source: Nhwc; target: Nhwc; phase: TapPhase } {
  const [n, height, width, channels] = nhwc(tapConvolution.name, inputs[0]!.shape);
  const target = nhwc(tapConvolution.name, outputs[0]!.shape);
  const steps = [attributes.sourceStep.height, attributes.sourceStep.width, phase.rows.count, phase.columns.count];
  const oneToOne = attributes.phases.length === 1 && steps.every((step) => step === 1) && target[1] === height && target[2] === width;
  if (!oneToOne) return { source: [n, height, width, channels], target, phase };
  const rows = n * height;
  const joined = Array.from({ length: rows }, (_, i) => i + 1).find((count) => rows % count === 0 && count * width >= shortRow) ?? rows;
  const grid = { height: rows / joined, width: joined * width };
  return { source: [1, grid.height, grid.width, channels], target: [1, grid.height, grid.width, target[3]], phase: { ...phase, grid } };
}

/** The rows of the grid that a tile of work computes, and the tiles that this makes of an image and of the batch. */
export function tilesOfPhase(site: TapSite, own: TapPhase) {
  const planes = planesOf(site, own);
  const { height, width } = planes.phase.grid;
  const rows = Math.max(1, Math.min(height, Math.round(cellsPerTile / width)));
  return { ...planes, batch: planes.source[0], rows, rowBlocks: Math.ceil(height / rows) };
}

function emitPhase(site: WasmSite<TapAttributes>, own: TapPhase, index: number, leaveMoments: LeaveMoments | null): void {
  const { attributes, inputs } = site;
  const { groups, panel, sourceStep, targetStep } = attributes;
  const sizes = packSizes(attributes.weightShape, attributes);
  const { source: sourceShape, target: targetShape, phase, batch, rows, rowBlocks } = tilesOfPhase(site, own);
  const [, height, width, channels] = sourceShape;
  const [, outputHeight, outputWidth, outputChannels] = targetShape;
  const touching = groups === 1 && phase.columns.step === 1;
  const source = {
    row: width * channels * 4,
    column: channels * 4,
    image: height * width * channels * 4,
    step: sourceStep.width * channels * 4,
  };
  const target = {
    row: targetStep.height * outputWidth * outputChannels * 4,
    column: targetStep.width * outputChannels * 4,
    image: outputHeight * outputWidth * outputChannels * 4,
  };
  const allPanels = groups * sizes.panels;
  const panelBlocks = Math.min(allPanels, Math.max(1, Math.ceil(tilesWanted / (batch * rowBlocks))));
  const panelsPerBlock = Math.ceil(allPanels / panelBlocks);

  site.stage({ tiles: batch * rowBlocks * Math.ceil(allPanels / panelsPerBlock) }, (stage) => {
    const { f, tile } = stage;
    const { i32 } = f;
    const emission: Emission = {
      stage,
      tileRows: site.engine.tileRows,
      phase,
      sizes,
      hasBias: inputs.length > 2,
      panel,
      panelBytes: sizes.panelSizes[index]! * 4,
      groups,
      source,
      target,
      run: touching ? phase.columns.count * sizes.inner : sizes.inner,
      runs: touching ? { count: 1, step: 0 } : { count: phase.columns.count, step: phase.columns.step * source.column },
    };
    const blocks = Math.ceil(allPanels / panelsPerBlock);
    const block = f.let(i32.divU(tile, blocks));
    const image = f.let(i32.divU(block, rowBlocks));
    const firstRow = f.let(i32.mul(i32.remU(block, rowBlocks), rows));
    const endRow = f.let(atMost(f, i32.add(firstRow, rows), phase.grid.height));
    const firstPanel = f.let(i32.mul(i32.remU(tile, blocks), panelsPerBlock));
    const endPanel = f.let(atMost(f, i32.add(firstPanel, panelsPerBlock), allPanels));
    const origin = {
      source: f.let(
        i32.add(stage.input(0), i32.add(i32.mul(image, source.image), phase.source.row * source.row + phase.source.column * source.column)),
      ),
      target: f.let(i32.add(i32.mul(image, target.image), (phase.target.row * outputWidth + phase.target.column) * outputChannels * 4)),
      packed: f.let(i32.add(stage.input(1), sizes.starts[index]! * 4)),
    };
    const panelIndex = f.local.i32();
    const row = f.local.i32();
    f.for(panelIndex, firstPanel, endPanel, 1, () => {
      const place = placePanel(emission, panelIndex, origin);
      f.for(row, firstRow, endRow, 1, () => {
        const sourceRow = f.let(i32.add(place.source, i32.mul(row, sourceStep.height * source.row)));
        const targetRow = f.let(i32.add(place.target, i32.mul(row, target.row)));
        const emitRow = (lanes: number): void => emitGridRow(emission, { ...place, source: sourceRow, target: targetRow }, lanes);
        forPiece(f, { total: sizes.outer, size: panel, isLast: () => place.isLast }, emitRow);
      });
      if (!site.wanted[1]) return;
      const [from, to] = [firstRow, endRow].map((end) => f.let(i32.add(place.target, i32.mul(end, target.row))));
      const stored = { stage, wide: site.engine.wide, blocks: batch * rowBlocks, block, channel: place.channel, cellBytes: target.column };
      forPiece(f, { total: sizes.outer, size: panel, isLast: () => place.isLast }, (lanes) =>
        leaveMoments?.({ ...stored, lanes, forRuns: (body) => body({ from: from!, to: to! }) }),
      );
    });
  });
}

interface PanelPlace {
  readonly source: Local<'i32'>;
  readonly target: Local<'i32'>;
  readonly packed: Local<'i32'>;
  /** Byte offset of the panel's first output channel. */
  readonly channel: Local<'i32'>;
  readonly isLast: Local<'i32'>;
}

/** Where a panel reads and writes: panels of all groups are numbered through. */
function placePanel(
  emission: Emission,
  index: Local<'i32'>,
  origin: { source: Local<'i32'>; target: Local<'i32'>; packed: Local<'i32'> },
): PanelPlace {
  const { stage, sizes, groups, panel, panelBytes } = emission;
  const { f } = stage;
  const { i32 } = f;
  const within = groups === 1 ? index : f.let(i32.remU(index, sizes.panels));
  const group = groups === 1 ? f.let(i32.const(0)) : f.let(i32.divU(index, sizes.panels));
  const channel = f.let(i32.shl(i32.add(i32.mul(group, sizes.outer), i32.mul(within, panel)), 2));
  return {
    source: f.let(i32.add(origin.source, i32.mul(group, sizes.inner * 4))),
    target: f.let(i32.add(origin.target, channel)),
    packed: f.let(i32.add(origin.packed, i32.mul(index, panelBytes))),
    channel,
    isLast: f.let(i32.eq(within, sizes.panels - 1)),
  };
}

/** All cells of one row of the grid, in micro-tiles of equal size together. */
function emitGridRow(emission: Emission, place: PanelPlace, lanes: number): void {
  const { stage, phase, tileRows, source, target } = emission;
  const { f } = stage;
  const { i32 } = f;
  for (const { rows, count, start } of cutRows(phase.grid.width, tileRows)) {
    const from = f.let(i32.add(place.source, start * source.step));
    const to = f.let(i32.add(place.target, start * target.column));
    const tile = (): void => f.temporaries(() => emitMicroTile(emission, { ...place, source: from, target: to }, rows, lanes));
    if (count === 1) {
      tile();
      continue;
    }
    const i = f.local.i32();
    f.for(i, 0, count, 1, () => {
      tile();
      f.set(from, i32.add(from, rows * source.step));
      f.set(to, i32.add(to, rows * target.column));
    });
  }
}

/** `cells` neighbouring output cells by `lanes` channels. */
function emitMicroTile(emission: Emission, place: PanelPlace, cells: number, lanes: number): void {
  const { stage, phase, hasBias, panel, source, target, run } = emission;
  const { f } = stage;
  const { i32, v128 } = f;
  const vectors = range(Math.ceil(lanes / 4));
  // Starting from the bias, instead of adding it at the end, costs nothing.
  const bias = hasBias ? f.let(i32.add(stage.input(2), place.channel)) : null;
  const start = vectors.map((v) => (bias ? f.let(v128.load(bias, v * 16, 4)) : 0));
  const sums = startSums(f, cells, vectors.length, (_, v) => start[v]!);
  if (phase.rows.count * phase.columns.count > 0) {
    const weights = f.let(place.packed);
    sweep(emission, place.source, (from: Local<'i32'>) => {
      const end = f.let(i32.add(weights, run * panel * 4));
      sumProducts(f, sums, { at: f.let(from), step: 4, rowBytes: source.step }, { at: weights, step: panel * 4 }, end);
    });
  }
  sums.forEach((ofCell, cell) => {
    stage.storeAll(ofCell, { at: place.target, offset: cell * target.column, channel: place.channel }, lanes);
  });
}

/** Visits the runs of a window in the order of the packed weights: rows, and columns where they do not touch. */
function sweep({ stage: { f }, phase, source, runs }: Emission, origin: Operand<'i32'>, body: (from: Local<'i32'>) => void): void {
  const { i32 } = f;
  const repeat = (count: number, step: number, from: Local<'i32'>, inner: (at: Local<'i32'>) => void): void => {
    if (count === 1) {
      inner(from);
      return;
    }
    const at = f.let(from);
    const i = f.local.i32();
    f.for(i, 0, count, 1, () => {
      inner(at);
      f.set(at, i32.add(at, step));
    });
  };
  const first = f.local.i32(origin);
  repeat(phase.rows.count, phase.rows.step * source.row, first, (row) => repeat(runs.count, runs.step, row, body));
}
