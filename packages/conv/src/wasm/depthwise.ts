import { cutRows, forVectors, loadPack, wasmKernel, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { Local } from '@shoal/backend-wasm/encoder';
import { apply1, nhwc, type Op } from '@shoal/core';
import type { Conv2dGeometry } from '../geometry.ts';
import { padded, type Way } from './lower.ts';
import { range, tapConvolution, type TapAttributes } from './taps.ts';

/** Each channel by itself: nothing is summed over channels, so vectors run along them and weights need no packing. */
export const isDepthwise = ({ channelsPerGroup, outputChannelsPerGroup }: Conv2dGeometry): boolean =>
  channelsPerGroup === 1 && outputChannelsPerGroup === 1;

/** A planned convolution of each channel by itself. Inputs: the padded source, the weight [kh, kw, 1, c] and, optionally, a bias. */
export const depthwiseTaps: Op<TapAttributes> = { ...tapConvolution, name: 'conv/wasm-depthwise-taps' };

export const applyDepthwise: Way = (planned) => {
  if (!isDepthwise(planned.geometry)) return null;
  const { weight, bias } = planned;
  const [source, attributes] = padded(planned);
  return apply1(depthwiseTaps, [source, weight, ...(bias ? [bias] : [])], attributes);
};

export const depthwiseTapsWasm = wasmKernel(depthwiseTaps, emitDepthwise, { fusion: { epilogue: true, slice: true } });

/** Cells of a row that are computed together. */
const cellsAtOnce = 4;

/** One tap of a phase: rows and weights in bytes, columns in cells. */
interface Tap {
  readonly row: number;
  readonly column: number;
  readonly weight: number;
}

/** One tile is one row of the output: all channels of a few cells, then the next cells, which read most of it again. */
function emitDepthwise(site: WasmSite<TapAttributes>): void {
  const { attributes, inputs, outputs, engine } = site;
  const { sourceStep, targetStep, weightShape } = attributes;
  const [batch, height, width, channels] = nhwc(depthwiseTaps.name, inputs[0]!.shape);
  const [, outputHeight, outputWidth] = nhwc(depthwiseTaps.name, outputs[0]!.shape);
  const cell = channels * 4;
  const steps = { source: sourceStep.width, sourceBytes: cell, target: targetStep.width * cell };
  for (const { grid, target, source, rows, columns, weightRows, weightColumns } of attributes.phases) {
    const taps = weightRows.flatMap((weightRow, r) =>
      weightColumns.map((weightColumn, s) => ({
        row: r * rows.step * width * cell,
        column: s * columns.step,
        weight: (weightRow * weightShape[1]! + weightColumn) * cell,
      })),
    );
    site.stage({ tiles: batch * grid.height }, (stage) => {
      const { f, tile } = stage;
      const { i32 } = f;
      const image = f.let(i32.divU(tile, grid.height));
      const row = f.let(i32.remU(tile, grid.height));
      const first = i32.add(i32.mul(image, height * width), i32.add(i32.mul(row, sourceStep.height * width), source.row * width));
      const from = f.let(i32.add(stage.input(0), i32.mul(i32.add(first, source.column), cell)));
      const line = i32.add(i32.mul(image, outputHeight), i32.add(i32.mul(row, targetStep.height), target.row));
      const to = f.let(i32.mul(i32.add(i32.mul(line, outputWidth), target.column), cell));
      for (const { rows: cells, count } of cutRows(grid.width, cellsAtOnce)) {
        const column = f.local.i32();
        f.for(column, 0, count, 1, () => {
          forVectors(f, channels, engine.wide ? 2 : 1, (channel, lanes) => {
            f.temporaries(() => emitCells(stage, { cells, taps, steps, from, to, channel, lanes, hasBias: inputs.length > 2 }));
          });
          f.set(from, i32.add(from, cells * sourceStep.width * cell));
          f.set(to, i32.add(to, cells * targetStep.width * cell));
        });
      }
    });
  }
}

interface Cells {
  readonly cells: number;
  readonly taps: readonly Tap[];
  /** From one cell to the next: in source cells, and what one of them and one of the output's are in bytes. */
  readonly steps: { readonly source: number; readonly sourceBytes: number; readonly target: number };
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
  readonly channel: Local<'i32'> | number;
  readonly lanes: number;
  readonly hasBias: boolean;
}

/** A few channels of neighbouring cells, which share what they read. Each cell adds its taps in the order of the window. */
function emitCells(stage: Stage, { cells, taps, steps, from, to, channel, lanes, hasBias }: Cells): void {
  const { f } = stage;
  const { i32, f32x4 } = f;
  const vectors = Math.ceil(lanes / 4);
  const at = f.let(i32.add(from, channel));
  const weight = f.let(i32.add(stage.input(1), channel));
  const bias = hasBias ? loadPack(f, f.let(i32.add(stage.input(2), channel)), 0, vectors) : null;
  const sums = range(cells).map(() => range(vectors).map((v) => f.local.v128(bias?.[v] ?? 0)));
  for (const row of new Set(taps.map((tap) => tap.row))) {
    const ofRow = taps.filter((tap) => tap.row === row).map((tap) => ({ ...tap, w: loadPack(f, weight, tap.weight, vectors) }));
    const positions = new Set(sums.flatMap((_, i) => ofRow.map(({ column }) => i * steps.source + column)));
    for (const position of [...positions].toSorted((a, b) => a - b)) {
      const x = loadPack(f, at, row + position * steps.sourceBytes, vectors);
      sums.forEach((sum, i) => {
        const tap = ofRow.find(({ column }) => i * steps.source + column === position);
        if (tap) sum.forEach((each, v) => f.set(each, f32x4.madd(x[v]!, tap.w[v]!, each)));
      });
    }
  }
  const place = f.let(i32.add(to, channel));
  sums.forEach((sum, i) => stage.storeAll(sum, { at: place, offset: i * steps.target, channel }, lanes));
}
