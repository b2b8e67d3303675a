import { atMost, forLanes, forUnits, tilesFor, VECTOR_BYTES, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
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
  readonly inside: Inside | null;
}

export interface Inside {
  readonly rows: Range<Local<'i32'>>;
  readonly columns: Range<Local<'i32'>>;
}

/** The code for one kind of pooling, written inside a stage. */
export interface Walker {
  /** For a window that lies inside. */
  readonly whole: (spot: Spot) => void;
  /** For any window; it looks at the bounds. */
  readonly edge: (spot: Spot & { readonly inside: Inside }) => void;
  /** For kinds whose `whole` is right only as long as nothing special is read. */
  readonly check?: {
    /** Before a row of windows. */
    readonly begin: () => void;
    /** After it, at its last whole window: what `whole` leaves to the window that follows. */
    readonly last: (spot: Spot) => void;
    /** Whether the row must be done again, all of it by `edge`. */
    readonly failed: () => I32;
  };
}

/**
 * Walks all windows, a vector of channels at a time. A tile is a few output rows, or a part of the channels of one row where there is
 * much to read.
 */
export function emitWindows(site: WasmSite<PoolAttributes>, walkerOf: (stage: Stage) => Walker): void {
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
    const { whole, edge, check } = walkerOf(stage);
    const part = parts.count === 1 ? null : f.let(i32.remU(stage.tile, parts.count));
    const share = { ...stage, tile: part ? f.let(i32.divU(stage.tile, parts.count)) : stage.tile };
    forUnits(share, batch * rows.outputs, perTile, (line) => {
      const [image, row, column] = [f.let(i32.divU(line, rows.outputs)), f.let(i32.remU(line, rows.outputs)), f.local.i32()];
      const top = f.let(i32.sub(i32.mul(row, rows.stride), rows.before));
      const first = f.let(i32.add(i32.mul(image, rows.size * columns.size), i32.mul(top, columns.size)));
      const taps = tapsInside(f, rows, top);
      const isWhole = f.let(anyWhole ? (within(f, row, wholeRows, rows.outputs) ?? i32.const(1)) : i32.const(0));
      /** Where a column's window is, and a loop over its channels. */
      const place = (position: Operand<'i32'>) => {
        const left = f.let(i32.sub(i32.mul(position, columns.stride), columns.before));
        const cell = f.let(i32.add(i32.mul(top, columns.size), left));
        const from = f.let(i32.mul(i32.add(first, left), cellBytes));
        const to = f.let(i32.mul(i32.add(i32.mul(line, columns.outputs), position), cellBytes));
        const each = <S extends Inside | null>(inside: S, body: (spot: Spot & { readonly inside: S }) => void): void =>
          forPart(f, channels, parts.size, part, (channel, lanes) => {
            const [origin, target] = [f.let(i32.add(from, channel)), f.let(i32.add(to, channel))];
            body({ stage, plane, origin, top, left, cell, to: target, channel, lanes, inside });
          });
        return { left, each };
      };
      const walk = (): void =>
        f.for(column, 0, columns.outputs, 1, () => {
          const { left, each } = place(column);
          const atEdge = (): void => each({ rows: taps, columns: tapsInside(f, columns, left) }, edge);
          if (!anyWhole) return atEdge();
          const inColumns = within(f, column, wholeColumns, columns.outputs);
          f.if(inColumns ? i32.and(inColumns, isWhole) : isWhole, () => each(null, whole), atEdge);
        });
      if (!check || !anyWhole) return walk();
      check.begin();
      f.loop((again) => {
        walk();
        f.if(isWhole, () => {
          place(wholeColumns.to - 1).each(null, check.last);
          f.set(isWhole, 0);
          f.brIf(again, check.failed());
        });
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
  f.for(channel, from, atMost(f, end, whole), VECTOR_BYTES, () => body(channel, 4));
  const rest = channels % 4;
  if (rest > 0) f.if(f.i32.geU(end, channels * 4), () => body(whole, rest as Lanes));
}

/** Whether the cells of a whole window are written out one by one. */
export const isUnrolled = ({ fused, attributes: { window } }: WasmSite<PoolAttributes>): boolean =>
  window.height * window.width <= (fused[0] ? unrolledFused : unrolled);

/** A cell of a written-out window. */
export interface Tap {
  /** Its number in the window, and counted from the window's first cell through the input plane. */
  readonly index: number;
  readonly cell: number;
  /** Its column in the window. */
  readonly column: number;
}

/** The cells of a window, in row-major order. */
export function tapsOf({ rows, columns }: Plane): readonly Tap[] {
  return Array.from({ length: rows.window * columns.window }, (_, index) => {
    const [row, column] = [Math.floor(index / columns.window), index % columns.window];
    return { index, cell: row * rows.dilation * columns.size + column * columns.dilation, column };
  });
}

/** Reads a cell of a whole window. */
export function readTap({ stage, plane, origin, channel }: Spot, { cell }: Tap): V128 {
  return stage.load(0, { at: origin, offset: cell * plane.channels * 4, channel });
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
