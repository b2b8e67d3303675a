import { forLanes, forUnits, tilesFor, VECTOR_BYTES, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import type { PoolAttributes } from '../window.ts';
import { planeOf, tapsInside, wholeWindows, within, type Plane, type Range } from './axis.ts';

/** Reads that one tile does: some ten microseconds. */
const grain = 65536;
/** Windows of so many cells are written out; larger ones are loops. */
const unrolled = 25;
/** The same where each read evaluates an expression. */
const unrolledFused = 9;

/** One output cell, at a vector of channels. */
export interface Spot {
  readonly stage: Stage;
  readonly plane: Plane;
  /** Byte offset of the window's first cell, which may lie outside, at these channels. */
  readonly origin: Local<'i32'>;
  /** Row and column of that cell. */
  readonly top: Local<'i32'>;
  readonly left: Local<'i32'>;
  /** Its number in the input plane, row * width + column. */
  readonly cell: Local<'i32'>;
  /** Byte offset of the result. */
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  readonly lanes: Lanes;
  /** The taps that lie inside; null where all do. */
  readonly inside: { readonly rows: Range<Local<'i32'>>; readonly columns: Range<Local<'i32'>> } | null;
}

/**
 * Walks all windows, a vector of channels at a time: `visit` writes the code for windows that lie inside, and again for those at the
 * edges, which must look at the bounds. A tile is a few output rows, or a part of the channels of one row where there is much to read.
 */
export function emitWindows(site: WasmSite<PoolAttributes>, visit: (spot: Spot) => void): void {
  const plane = planeOf(site.inputs[0]!.shape, site.outputs[0]!.shape, site.attributes);
  const { batch, channels, rows, columns } = plane;
  const cellBytes = channels * 4;
  const reads = columns.outputs * channels * rows.window * columns.window;
  const parts = splitChannels(channels, reads);
  const { tiles, perTile } = tilesFor(batch * rows.outputs, reads, grain);
  const [wholeRows, wholeColumns] = [wholeWindows(rows), wholeWindows(columns)];
  const anyWhole = wholeRows.to > wholeRows.from && wholeColumns.to > wholeColumns.from;
  site.stage({ tiles: columns.outputs * channels === 0 ? 0 : tiles * parts.count }, (stage) => {
    const { f } = stage;
    const { i32 } = f;
    const part = parts.count === 1 ? null : f.let(i32.remU(stage.tile, parts.count));
    const share = { ...stage, tile: part ? f.let(i32.divU(stage.tile, parts.count)) : stage.tile };
    forUnits(share, batch * rows.outputs, perTile, (line) => {
      const [image, row, column] = [f.let(i32.divU(line, rows.outputs)), f.let(i32.remU(line, rows.outputs)), f.local.i32()];
      const top = f.let(i32.sub(i32.mul(row, rows.stride), rows.before));
      const rowIsWhole = anyWhole ? within(f, row, wholeRows, rows.outputs) : i32.const(0);
      const rowWhole = rowIsWhole && f.let(rowIsWhole);
      const taps = rowWhole && tapsInside(f, rows, top);
      f.for(column, 0, columns.outputs, 1, () => {
        const left = f.let(i32.sub(i32.mul(column, columns.stride), columns.before));
        const cell = f.let(i32.add(i32.mul(top, columns.size), left));
        const from = f.let(i32.mul(i32.add(i32.mul(image, rows.size * columns.size), cell), cellBytes));
        const to = f.let(i32.mul(i32.add(i32.mul(line, columns.outputs), column), cellBytes));
        const each = (inside: Spot['inside']): void =>
          forPart(f, channels, parts.size, part, (channel, lanes) => {
            const [origin, target] = [f.let(i32.add(from, channel)), f.let(i32.add(to, channel))];
            visit({ stage, plane, origin, top, left, cell, to: target, channel, lanes, inside });
          });
        const edge = (): void => each({ rows: taps ?? tapsInside(f, rows, top), columns: tapsInside(f, columns, left) });
        const columnWhole = within(f, column, wholeColumns, columns.outputs);
        if (!anyWhole) edge();
        else if (rowWhole || columnWhole) {
          f.if(rowWhole && columnWhole ? i32.and(rowWhole, columnWhole) : (rowWhole ?? columnWhole)!, () => each(null), edge);
        } else each(null);
      });
    });
  });
}

/** Parts of the channels, whole cache lines each, where one row of windows is much more than a tile. */
function splitChannels(channels: number, reads: number): { readonly count: number; readonly size: number } {
  const line = 16;
  const wanted = Math.min(Math.floor(channels / line), Math.floor(reads / grain));
  if (wanted <= 1) return { count: 1, size: channels };
  const size = Math.ceil(channels / wanted / line) * line;
  return { count: Math.ceil(channels / size), size };
}

/** All channels, or those of part `part`. */
function forPart(
  f: FunctionBuilder,
  channels: number,
  size: number,
  part: Local<'i32'> | null,
  body: (channel: Local<'i32'> | number, lanes: Lanes) => void,
): void {
  if (!part) return forLanes(f, channels, body);
  const whole = Math.floor(channels / 4) * VECTOR_BYTES;
  const from = f.let(f.i32.mul(part, size * 4));
  const end = f.let(f.i32.add(from, size * 4));
  const channel = f.local.i32();
  f.for(channel, from, f.let(f.select(end, f.i32.const(whole), f.i32.ltU(end, whole))), VECTOR_BYTES, () => body(channel, 4));
  const rest = channels % 4;
  if (rest > 0) f.if(f.i32.geU(end, channels * 4), () => body(whole, rest as Lanes));
}

/** Whether the cells of a whole window are written out one by one. */
export const isUnrolled = ({ fused }: WasmSite<PoolAttributes>, { rows, columns }: Plane): boolean =>
  rows.window * columns.window <= (fused[0] ? unrolledFused : unrolled);

/** Writes code for each cell of a whole window, in row-major order. `cell` counts from the window's first cell. */
export function eachCell({ stage, plane, origin, channel }: Spot, body: (value: V128, cell: number) => void): void {
  const { rows, columns, channels } = plane;
  for (let i = 0; i < rows.window; i++) {
    for (let j = 0; j < columns.window; j++) {
      const cell = i * rows.dilation * columns.size + j * columns.dilation;
      body(stage.load(0, { at: origin, offset: cell * channels * 4, channel }), cell);
    }
  }
}

/** Loops over the cells of a window that lie inside, in row-major order. */
export function forCells({ stage, plane, origin, channel, inside }: Spot, body: (value: V128, cell: Local<'i32'>) => void): void {
  const { f } = stage;
  const { rows, columns, channels } = plane;
  const loop = (taps: Range<Operand<'i32'>>, step: number, inner: (at: Local<'i32'>) => void): void => {
    const at = f.local.i32();
    const bound = (tap: Operand<'i32'>): Operand<'i32'> => (typeof tap === 'number' ? tap * step : f.i32.mul(tap, step));
    f.for(at, bound(taps.from), bound(taps.to), step, () => inner(at));
  };
  const of = (own: Range<Local<'i32'>> | undefined, window: number): Range<Operand<'i32'>> => own ?? { from: 0, to: window };
  loop(of(inside?.rows, rows.window), rows.dilation * columns.size, (row) =>
    loop(of(inside?.columns, columns.window), columns.dilation, (column) => {
      const cell = f.let(f.i32.add(row, column));
      body(stage.load(0, { at: f.let(f.i32.add(origin, f.i32.mul(cell, channels * 4))), channel }), cell);
    }),
  );
}
