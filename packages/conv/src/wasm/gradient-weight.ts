import {
  atMost,
  cutRows,
  forPiece,
  loadPack,
  panelColumns,
  startSums,
  storePack,
  sumProducts,
  wasmKernel,
  type Pieces,
  type WasmKernel,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local } from '@shoal/backend-wasm/encoder';
import { apply1, nhwc, pad, type Lowering, type Value } from '@shoal/core';
import { conv2dGradientWeight, type Conv2dGradientWeightAttributes } from '../conv2d.ts';
import { conv2dGeometry, type Conv2dGeometry } from '../geometry.ts';
import { forwardPlan } from './taps.ts';

const name = conv2dGradientWeight.name;
/** Cells whose lines of dy stay in the first-level cache while all input channels go by. */
const cellsPerBlock = 200;
/** Weights by a panel from which on a block of dy is copied together: it is read once for every few of them. */
const fewestForCopy = 32;
/** Tiles that the stage aims at: each reads all cells of some input channels, so that more of them read more. */
const tilesWanted = 8;
/** Input channels that lie on one line of the cache, and those that are too few to go by tap for tap. */
const line = 16;
const fewChannels = 24;

/** A weight gradient that is to be computed. */
interface Gradient {
  readonly x: Value;
  readonly dy: Value;
  readonly convolution: Conv2dGradientWeightAttributes;
}

/** A way that is faster than the direct one for some weight gradients; null for all others. */
export type GradientWay = (gradient: Gradient, lowering: Lowering) => Value | null;

/** The same with the padding in the input, so that kernels read every tap of every window. */
export function unpadded({ x, dy, convolution }: Gradient): Gradient {
  const { padding } = forwardPlan(conv2dGeometry(name, x.shape, convolution.weightShape, convolution), convolution);
  const { top, bottom, left, right } = padding;
  const none = { top: 0, bottom: 0, left: 0, right: 0 };
  const padded = pad(x, { before: [0, top, left, 0], after: [0, bottom, right, 0] });
  return { x: padded, dy, convolution: { ...convolution, padding: none } };
}

/**
 * dW[r, s, c, k] is the sum over all cells p of x[p + (r, s), c] * dy[p, k]. A micro-tile is up to six input channels by one
 * panel of output channels. The work is divided by weights and never by cells, so no partial sums are shared between threads; a
 * sum goes on in the weight itself from one block of cells to the next. Cells of dy lie as far apart as there are channels, often
 * a power of two, and would fall onto the same few lines of the cache: where they are read often they are copied together first.
 */
export const gradientWeight = (ways: readonly GradientWay[]): WasmKernel =>
  wasmKernel(conv2dGradientWeight, emitGradientWeight, {
    lower: ([x, dy], convolution, lowering) => {
      const gradient = { x: x!, dy: dy!, convolution };
      for (const way of ways) {
        const result = way(gradient, lowering);
        if (result) return [result];
      }
      if (Object.values(convolution.padding).every((n) => n === 0)) return null;
      const direct = unpadded(gradient);
      return [apply1(conv2dGradientWeight, [direct.x, direct.dy], direct.convolution)];
    },
  });

function emitGradientWeight(site: WasmSite<Conv2dGradientWeightAttributes>): void {
  const { attributes, inputs, engine } = site;
  const geometry = conv2dGeometry(name, inputs[0]!.shape, attributes.weightShape, attributes);
  const { groups, channelsPerGroup, outputChannels, outputChannelsPerGroup } = geometry;
  const { window, stride, dilation } = attributes;
  const [, height, width, channels] = nhwc(name, inputs[0]!.shape);
  const { batch, output, lineWidth } = cellsOf(geometry, attributes, width);
  // Where the columns of a window touch, (s, c) is one axis of the weight and of the input alike: longer, if there are few channels.
  const touching = groups === 1 && dilation.width === 1 && channelsPerGroup < fewChannels;
  const columns = touching ? 1 : window.width;
  const run = touching ? window.width * channelsPerGroup : channelsPerGroup;
  const panel = panelColumns(engine.wide, outputChannelsPerGroup);
  const panels = Math.ceil(outputChannelsPerGroup / panel);
  const share = Math.min(run, Math.ceil(Math.ceil(run / Math.ceil(tilesWanted / (groups * panels))) / line) * line);
  const shares = Math.ceil(run / share);
  const rowParts = groups * panels * shares < tilesWanted ? window.height : 1;
  const block = blockOf(batch, output);
  const isCopied = (window.height / rowParts) * columns * share >= fewestForCopy;
  const copy = isCopied ? site.scratch(block.images * block.rows * output.width * panel * 4, { perThread: true }) : null;
  const weightRow = outputChannels * 4;
  const sizes: Sizes = {
    batch,
    output,
    block,
    weightRow,
    dyCell: weightRow,
    term: copy ? panel * 4 : weightRow,
    x: { cell: stride.width * channels * 4, row: stride.height * lineWidth * channels * 4, image: height * width * channels * 4 },
    rows: {
      count: window.height / rowParts,
      x: dilation.height * width * channels * 4,
      target: window.width * channelsPerGroup * weightRow,
    },
    columns: { count: columns, x: dilation.width * channels * 4, target: channelsPerGroup * weightRow },
  };
  site.stage({ tiles: rowParts * groups * shares * panels }, (stage) => {
    const { f, tile } = stage;
    const { i32 } = f;
    const within = f.let(i32.remU(tile, panels));
    const rest = f.let(i32.divU(tile, panels));
    const part = f.let(i32.remU(rest, shares));
    const others = f.let(i32.divU(rest, shares));
    const group = f.let(i32.remU(others, groups));
    const row = f.let(i32.divU(others, groups));
    const start = f.let(i32.mul(part, share));
    const channel = f.let(i32.shl(i32.add(i32.mul(group, outputChannelsPerGroup), i32.mul(within, panel)), 2));
    const first = i32.shl(i32.add(i32.mul(group, channelsPerGroup), start), 2);
    const place = {
      x: f.let(i32.add(stage.input(0), i32.add(i32.mul(row, sizes.rows.x), first))),
      dy: f.let(i32.add(stage.input(1), channel)),
      target: f.let(i32.add(stage.output(0), i32.add(i32.add(i32.mul(row, sizes.rows.target), i32.mul(start, weightRow)), channel))),
      copy: copy && stage.scratch(copy),
    };
    forPiece(f, { total: run, size: share, isLast: () => i32.eq(part, shares - 1) }, (length) => {
      const pieces = cutRows(length, engine.tileRows);
      forPiece(f, { total: outputChannelsPerGroup, size: panel, isLast: () => i32.eq(within, panels - 1) }, (lanes) =>
        emitPanel(f, sizes, place, { pieces, lanes }),
      );
    });
  });
}

/**
 * The cells that are summed over, in lines of the input. Where they map one to one (1x1 at stride 1), they are one line, cut where it
 * suits.
 */
function cellsOf(
  { batch, input, output }: Conv2dGeometry,
  { window, stride }: Conv2dGradientWeightAttributes,
  lineWidth: number,
): Pick<Sizes, 'batch' | 'output'> & { readonly lineWidth: number } {
  const sides = [window.height, window.width, stride.height, stride.width];
  if (sides.some((side) => side !== 1) || input.height !== output.height || input.width !== output.width)
    return { batch, output, lineWidth };
  const cells = batch * output.height * output.width;
  const width = Array.from({ length: cellsPerBlock }, (_, i) => cellsPerBlock - i).find((size) => cells % size === 0)!;
  return width < cellsPerBlock / 4
    ? { batch, output, lineWidth }
    : { batch: 1, output: { height: cells / width, width }, lineWidth: width };
}

/** About as many rows, or whole images, as a block has cells; blocks of rows are of about equal size. */
function blockOf(batch: number, { height, width }: Sizes['output']): Sizes['block'] {
  const images = Math.min(batch, Math.floor(cellsPerBlock / (height * width)));
  if (images > 0) return { images, rows: height };
  const blocks = Math.ceil(height / Math.max(1, Math.floor(cellsPerBlock / width)));
  return { images: 1, rows: Math.ceil(height / blocks) };
}

/** Everything in bytes, but batch, output, block and counts. */
interface Sizes {
  readonly batch: number;
  readonly output: { readonly height: number; readonly width: number };
  /** Cells that are summed before the next weights: some images, or some rows of one. */
  readonly block: { readonly images: number; readonly rows: number };
  readonly weightRow: number;
  /** From one cell of dy to the next where it lies, and where it is read by the products. */
  readonly dyCell: number;
  readonly term: number;
  readonly x: { readonly cell: number; readonly row: number; readonly image: number };
  /** Taps of a tile: how many, and from one to the next in the input and in the weight. */
  readonly rows: Taps;
  readonly columns: Taps;
}

interface Taps {
  readonly count: number;
  readonly x: number;
  readonly target: number;
}

type Place = Readonly<Record<'x' | 'dy' | 'target', Local<'i32'>>>;

/** One panel of output channels against a range of input channels, block of cells by block of cells. */
function emitPanel(
  f: FunctionBuilder,
  sizes: Sizes,
  place: Place & { readonly copy: Local<'i32'> | null },
  { pieces, lanes }: { readonly pieces: readonly Pieces[]; readonly lanes: number },
): void {
  const { i32 } = f;
  const { batch, output, block, weightRow, dyCell, x } = sizes;
  const [image, row] = [f.local.i32(), f.local.i32()];
  const emitBlock = (isFirst: boolean): void => {
    const [images, rows] = [
      f.let(i32.sub(atMost(f, i32.add(image, block.images), batch), image)),
      f.let(i32.sub(atMost(f, i32.add(row, block.rows), output.height), row)),
    ];
    const from = f.let(i32.add(place.x, i32.add(i32.mul(image, x.image), i32.mul(row, x.row))));
    const cells = i32.mul(i32.add(i32.mul(image, output.height), row), output.width * dyCell);
    const dy = f.let(i32.add(place.dy, cells));
    if (place.copy) {
      const count = i32.mul(i32.mul(images, rows), output.width);
      emitTogether(f, sizes, { dy, copy: place.copy, count }, lanes);
      f.set(dy, place.copy);
    }
    forTaps(f, sizes.rows, { x: from, target: place.target }, (ofRow) =>
      forTaps(f, sizes.columns, ofRow, (tap) => {
        for (const { rows: piece, count } of pieces) {
          const repeat = f.local.i32();
          f.for(repeat, 0, count, 1, () => {
            f.temporaries(() => emitMicroTile(f, sizes, { ...tap, dy, images, rows }, { piece, lanes, isFirst }));
            f.set(tap.x, i32.add(tap.x, piece * 4));
            f.set(tap.target, i32.add(tap.target, piece * weightRow));
          });
        }
      }),
    );
  };
  emitBlock(true);
  const blocksOfRows = Math.ceil(output.height / block.rows);
  if (blocksOfRows === 1) {
    f.for(image, block.images, batch, block.images, () => emitBlock(false));
    return;
  }
  f.set(row, block.rows);
  f.for(image, 0, batch, 1, () => {
    f.for(row, row, output.height, block.rows, () => emitBlock(false));
    f.set(row, 0);
  });
}

type Tap = Pick<Place, 'x' | 'target'>;

/** Goes through taps; each is given pointers of its own. */
function forTaps(f: FunctionBuilder, { count, x, target }: Taps, first: Tap, body: (tap: Tap) => void): void {
  const { i32 } = f;
  const [next, i] = [{ x: f.let(first.x), target: f.let(first.target) }, f.local.i32()];
  f.for(i, 0, count, 1, () => {
    body({ x: f.let(next.x), target: f.let(next.target) });
    f.set(next.x, i32.add(next.x, x));
    f.set(next.target, i32.add(next.target, target));
  });
}

/** Copies a panel of `count` cells of dy together. */
function emitTogether(
  f: FunctionBuilder,
  { dyCell, term }: Sizes,
  { dy, copy, count }: { readonly dy: Local<'i32'>; readonly copy: Local<'i32'>; readonly count: I32 },
  lanes: number,
): void {
  const { i32 } = f;
  const [from, to] = [f.let(dy), f.let(copy)];
  const end = f.let(i32.add(copy, i32.mul(count, term)));
  f.loop((next) => {
    storePack(f, to, loadPack(f, from, 0, Math.ceil(lanes / 4)), Math.ceil(lanes / 4) * 4);
    f.set(from, i32.add(from, dyCell));
    f.brIf(next, i32.ltU(f.tee(to, i32.add(to, term)), end));
  });
}

interface Share extends Place {
  readonly images: Local<'i32'>;
  readonly rows: Local<'i32'>;
}

/** A block of cells, added to `piece` by `lanes` weights; the first block finds nothing to add to. */
function emitMicroTile(
  f: FunctionBuilder,
  { output, weightRow, term, x }: Sizes,
  { x: from, dy: firstTerm, target, images, rows }: Share,
  { piece, lanes, isFirst }: { readonly piece: number; readonly lanes: number; readonly isFirst: boolean },
): void {
  const { i32, v128 } = f;
  const sums = startSums(f, piece, Math.ceil(lanes / 4), (r, v) => (isFirst ? 0 : v128.load(target, r * weightRow + v * 16, 4)));
  const dy = f.let(firstTerm);
  const plane = f.let(from);
  const [image, row] = [f.local.i32(), f.local.i32()];
  f.for(image, 0, images, 1, () => {
    const line = f.let(plane);
    f.for(row, 0, rows, 1, () => {
      const end = f.let(i32.add(dy, output.width * term));
      sumProducts(f, sums, { at: f.let(line), step: x.cell, rowBytes: 4 }, { at: dy, step: term }, end);
      f.set(line, i32.add(line, x.row));
    });
    f.set(plane, i32.add(plane, x.image));
  });
  sums.forEach((ofRow, r) => storePack(f, target, ofRow, lanes, r * weightRow));
}
