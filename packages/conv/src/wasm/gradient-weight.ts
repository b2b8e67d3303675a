import {
  addProducts,
  atMost,
  cutRows,
  forPiece,
  panelColumns,
  storeLanes,
  wasmKernel,
  type Lanes,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { FunctionBuilder, Local } from '@shoal/backend-wasm/encoder';
import { apply1, nhwc, pad, type Value } from '@shoal/core';
import { conv2dGradientWeight, type Conv2dGradientWeightAttributes } from '../conv2d.ts';
import { conv2dGeometry, type Conv2dGeometry } from '../geometry.ts';
import { emitDepthwiseGradientWeight } from './depthwise-gradient-weight.ts';
import { isDepthwise } from './depthwise.ts';
import { forwardPlan } from './taps.ts';

const name = conv2dGradientWeight.name;
/** Cells whose lines of dy stay in the first-level cache while all input channels go by. Also the length of a float32 chain. */
const cellsPerBlock = 160;
/** Tiles that the stage aims at where the shape allows. */
const tilesWanted = 16;

/** Pads the input, so that the kernel reads every tap of every window. */
function lower([x, dy]: readonly Value[], attributes: Conv2dGradientWeightAttributes): readonly Value[] | null {
  const { top, bottom, left, right } = forwardPlan(conv2dGeometry(name, x!.shape, attributes.weightShape, attributes), attributes).padding;
  const none = { top: 0, bottom: 0, left: 0, right: 0 };
  if (Object.values(attributes.padding).every((n) => n === 0)) return null;
  const padded = pad(x!, { before: [0, top, left, 0], after: [0, bottom, right, 0] });
  return [apply1(conv2dGradientWeight, [padded, dy!], { ...attributes, padding: none })];
}

/**
 * dW[r, s, c, k] is the sum over all cells p of x[p + (r, s), c] * dy[p, k]. A micro-tile is up to six input channels by one
 * panel of output channels; both operands are read where they lie. The work is divided by weights and never by cells, so no
 * partial sums are shared between threads; a sum goes on in the weight itself from one block of cells to the next.
 */
export const gradientWeightWasm = wasmKernel(
  conv2dGradientWeight,
  (site) => {
    const { attributes, inputs } = site;
    const geometry = conv2dGeometry(name, inputs[0]!.shape, attributes.weightShape, attributes);
    if (isDepthwise(geometry)) emitDepthwiseGradientWeight(site, geometry);
    else emitGradientWeight(site, geometry);
  },
  { lower },
);

function emitGradientWeight(
  { attributes, inputs, engine, stage: addStage }: WasmSite<Conv2dGradientWeightAttributes>,
  geometry: Conv2dGeometry,
): void {
  const { batch, output, groups, channelsPerGroup, outputChannels, outputChannelsPerGroup } = geometry;
  const { window, stride, dilation } = attributes;
  const [, height, width, channels] = nhwc(name, inputs[0]!.shape);
  // Where the columns of a window touch, (s, c) is one axis of the weight and of the input alike.
  const touching = groups === 1 && dilation.width === 1;
  const columns = touching ? 1 : window.width;
  const run = touching ? window.width * channelsPerGroup : channelsPerGroup;
  const panel = panelColumns(engine.wide, outputChannelsPerGroup);
  const panels = Math.ceil(outputChannelsPerGroup / panel);
  const sizes: Sizes = {
    batch,
    output,
    rowsPerBlock: Math.max(1, Math.floor(cellsPerBlock / output.width)),
    weightRow: outputChannels * 4,
    dyCell: outputChannels * 4,
    x: { cell: stride.width * channels * 4, row: stride.height * width * channels * 4, image: height * width * channels * 4 },
  };
  const tiles = window.height * columns * groups * panels;
  for (const { start, length } of shares(run, Math.ceil(tilesWanted / tiles))) {
    addStage({ tiles }, (stage) => {
      const { f, tile } = stage;
      const { i32 } = f;
      const within = f.let(i32.remU(tile, panels));
      const rest = f.let(i32.divU(tile, panels));
      const group = f.let(i32.remU(rest, groups));
      const tap = f.let(i32.divU(rest, groups));
      const [row, column] = [f.let(i32.divU(tap, columns)), f.let(i32.remU(tap, columns))];
      const channel = f.let(i32.shl(i32.add(i32.mul(group, outputChannelsPerGroup), i32.mul(within, panel)), 2));
      const cell = i32.add(i32.mul(row, dilation.height * width * channels), i32.mul(column, dilation.width * channels));
      const place = {
        x: f.let(i32.add(stage.input(0), i32.shl(i32.add(cell, i32.mul(group, channelsPerGroup)), 2))),
        dy: f.let(i32.add(stage.input(1), channel)),
        // Rows of the weight are counted over (r, s, c).
        target: f.let(
          i32.add(
            stage.output(0),
            i32.add(i32.mul(i32.add(i32.mul(row, window.width), column), channelsPerGroup * sizes.weightRow), channel),
          ),
        ),
      };
      const emit = (lanes: number): void => emitPanel(f, sizes, place, { start, length, tileRows: engine.tileRows }, lanes);
      forPiece(f, { total: outputChannelsPerGroup, size: panel, isLast: () => i32.eq(within, panels - 1) }, emit);
    });
  }
}

/** A length in about equal parts, at most as many as asked for, none below one micro-tile. */
function shares(length: number, wanted: number): readonly { readonly start: number; readonly length: number }[] {
  const size = Math.max(6, Math.ceil(length / Math.max(1, wanted)));
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({ start: i * size, length: Math.min(size, length - i * size) }));
}

/** Everything in bytes, but batch, output and rows. */
interface Sizes {
  readonly batch: number;
  readonly output: { readonly height: number; readonly width: number };
  readonly rowsPerBlock: number;
  readonly weightRow: number;
  readonly dyCell: number;
  readonly x: { readonly cell: number; readonly row: number; readonly image: number };
}

type Place = Readonly<Record<'x' | 'dy' | 'target', Local<'i32'>>>;

/** One panel of output channels against a range of input channels, block of cells by block of cells. */
function emitPanel(
  f: FunctionBuilder,
  sizes: Sizes,
  place: Place,
  { start, length, tileRows }: { start: number; length: number; tileRows: number },
  lanes: number,
): void {
  const { i32 } = f;
  const { batch, output, rowsPerBlock, weightRow, dyCell, x } = sizes;
  const firstRow = f.let(i32.add(place.target, start * weightRow));
  const i = f.local.i32();
  f.for(i, 0, length, 1, () => {
    for (let v = 0; v * 4 < lanes; v++) storeLanes(f, firstRow, f.f32x4.splat(0), Math.min(4, lanes - v * 4) as Lanes, v * 16);
    f.set(firstRow, i32.add(firstRow, weightRow));
  });
  const image = f.local.i32();
  const block = f.local.i32();
  f.for(image, 0, batch, 1, () => {
    f.for(block, 0, output.height, rowsPerBlock, () => {
      const rows = f.let(i32.sub(atMost(f, i32.add(block, rowsPerBlock), output.height), block));
      const from = f.let(i32.add(place.x, i32.add(i32.add(i32.mul(image, x.image), i32.mul(block, x.row)), start * 4)));
      const dy = f.let(i32.add(place.dy, i32.mul(i32.add(i32.mul(image, output.height), block), output.width * dyCell)));
      const target = f.let(i32.add(place.target, start * weightRow));
      for (const { rows: piece, count } of cutRows(length, tileRows)) {
        const repeat = f.local.i32();
        f.for(repeat, 0, count, 1, () => {
          f.temporaries(() => emitMicroTile(f, sizes, { x: from, dy, target }, rows, piece, lanes));
          f.set(from, i32.add(from, piece * 4));
          f.set(target, i32.add(target, piece * weightRow));
        });
      }
    });
  });
}

/** `rows` rows of cells, added to `piece` by `lanes` weights. */
function emitMicroTile(f: FunctionBuilder, sizes: Sizes, place: Place, rows: Local<'i32'>, piece: number, lanes: number): void {
  const { i32, v128 } = f;
  const { output, weightRow, dyCell, x } = sizes;
  const each = Array.from({ length: piece }, (_, i) => i);
  const vectors = Array.from({ length: Math.ceil(lanes / 4) }, (_, i) => i);
  const sums = each.map((row) => vectors.map((vector) => f.local.v128(v128.load(place.target, row * weightRow + vector * 16, 4))));
  const dy = f.let(place.dy);
  const line = f.let(place.x);
  const i = f.local.i32();
  f.for(i, 0, rows, 1, () => {
    const at = f.let(line);
    const end = f.let(i32.add(dy, output.width * dyCell));
    f.loop((next) => {
      addProducts(f, sums, at, 4, dy);
      f.set(at, i32.add(at, x.cell));
      f.brIf(next, i32.ltU(f.tee(dy, i32.add(dy, dyCell)), end));
    });
    f.set(line, i32.add(line, x.row));
  });
  for (const row of each) {
    for (const vector of vectors) {
      storeLanes(f, place.target, sums[row]![vector]!, Math.min(4, lanes - vector * 4) as Lanes, row * weightRow + vector * 16);
    }
  }
}
