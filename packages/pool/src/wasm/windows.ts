import { atMost, forUnits, tilesFor, VECTOR_BYTES, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import type { PoolAttributes } from '../window.ts';
import { planeOf, tapsInside, type Axis, type Plane, type Range } from './axis.ts';

/** Reads that one tile does: some ten microseconds. */
const grain = 65536;
/** Windows of so many cells are written out; larger ones are loops. */
const unrolled = 25;
/** The same where each read evaluates an expression. */
const unrolledFused = 9;
/**
 * Channels that a run of written-out windows takes at a time: two neighbouring cache lines, because lines read one by one, each in another cell,
 * come from memory at two thirds of the rate. Their vectors go in turn: the cells of a window are often a power of two apart, so that reads of one
 * vector meet in one bank of the cache, and only one a cycle gets through.
 */
const runLanes = 32;
/** So many cells are written out in all, over windows of all kinds. */
const mostCells = 200;

/** One output cell, at a vector of channels. */
export interface Spot {
  readonly stage: Stage;
  readonly plane: Plane;
  /** Byte offset, at these channels, of the cell `base` cells behind the window's first one: of that itself where it lies inside. */
  readonly origin: Local<'i32'>;
  readonly base: number;
  /** Row and column of that cell. */
  readonly top: Local<'i32'>;
  readonly left: Local<'i32'>;
  /** Its number in the input plane, row * width + column. */
  readonly cell: Local<'i32'>;
  /** Its own number in the batch. */
  readonly window: () => I32;
  /** Byte offset of the result. */
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  /** Channels: of a vector, or in a run of up to four. */
  readonly lanes: number;
  /** The taps that lie inside; null where all do. */
  readonly inside: Inside | null;
}

export interface Inside {
  readonly rows: Range<Local<'i32'>>;
  readonly columns: Range<Local<'i32'>>;
}

/** The code for one kind of pooling, written inside a stage. */
export interface Walker {
  /** For neighbouring windows of small size, whose cells that lie inside are known: `taps`. */
  readonly run: (spots: readonly Spot[], taps: readonly Tap[]) => void;
  /** For a large window that lies inside. */
  readonly whole: (spot: Spot) => void;
  /** For any window; it looks at the bounds. */
  readonly edge: (spot: Spot & { readonly inside: Inside }) => void;
  /** For kinds whose `run` and `whole` are right only as long as nothing special is read. */
  readonly check?: {
    /** Before a row of windows. */
    readonly begin: () => void;
    /** Whether the row must be done again, all of it by `edge`. */
    readonly failed: () => I32;
  };
}

/**
 * Walks all windows, a vector of channels at a time. A tile is a few output rows, or a part of the channels of one row where there is
 * much to read. Small windows are written out, once for each way to lie across an edge, and two at a time where they share cells.
 */
export function emitWindows(site: WasmSite<PoolAttributes>, walkerOf: (stage: Stage) => Walker): void {
  const plane = planeOf(site.inputs[0]!.shape, site.outputs[0]!.shape, site.attributes);
  const { batch, channels, rows, columns } = plane;
  const cellBytes = channels * 4;
  const reads = columns.outputs * channels * rows.window * columns.window;
  const parts = splitChannels(channels, reads);
  const { tiles, perTile } = tilesFor(batch * rows.outputs, reads, grain);
  const [rowKinds, columnKinds] = [kindsOf(rows), kindsOf(columns)];
  const cells = (kinds: readonly Kind[]): number => kinds.reduce((sum, { taps }) => sum + taps.to - taps.from, 0);
  const writesAll = isUnrolled(site) && cells(rowKinds) * cells(columnKinds) <= mostCells;
  site.stage({ tiles: columns.outputs * channels === 0 ? 0 : tiles * parts.count }, (stage) => {
    const { f } = stage;
    const { i32 } = f;
    const { run, whole, edge, check } = walkerOf(stage);
    const part = parts.count === 1 ? null : f.let(i32.remU(stage.tile, parts.count));
    const share = { ...stage, tile: part ? f.let(i32.divU(stage.tile, parts.count)) : stage.tile };
    forUnits(share, batch * rows.outputs, perTile, (line) => {
      const [image, row, column] = [f.let(i32.divU(line, rows.outputs)), f.let(i32.remU(line, rows.outputs)), f.local.i32()];
      const top = f.let(i32.sub(i32.mul(row, rows.stride), rows.before));
      const first = f.let(i32.add(i32.mul(image, rows.size * columns.size), i32.mul(top, columns.size)));
      /** The windows of `count` columns, and a loop over their channels. */
      const place = (position: Local<'i32'>, count: number, base = 0) => {
        const windows = Array.from({ length: count }, (_, i) => {
          const left = f.let(i32.sub(i32.mul(position, columns.stride), columns.before - i * columns.stride));
          const cell = f.let(i32.add(i32.mul(top, columns.size), left));
          const window = (): I32 => i32.add(i32.mul(line, columns.outputs), i32.add(position, i));
          const from = f.let(i32.mul(i32.add(i32.add(first, left), base), cellBytes));
          return { left, cell, window, base, from, to: f.let(i32.mul(window(), cellBytes)) };
        });
        const each = <S extends Inside | null>(
          inside: S,
          most: number,
          body: (spots: readonly (Spot & { readonly inside: S })[]) => void,
        ): void =>
          forPart(f, { channels, size: parts.size, part, most }, (channel, lanes) => {
            body(
              windows.map(({ from, to, ...rest }) => {
                const [origin, target] = [f.let(i32.add(from, channel)), f.let(i32.add(to, channel))];
                return { stage, plane, ...rest, origin, top, to: target, channel, lanes, inside };
              }),
            );
          });
        return { left: windows[0]!.left, each };
      };
      const atEdge = (): void => {
        const { left, each } = place(column, 1);
        each({ rows: tapsInside(f, rows, top), columns: tapsInside(f, columns, left) }, 4, (spots) => edge(spots[0]!));
      };
      const oneOf = (own: Kind, other: Kind): void => {
        const isWhole = own.taps.to - own.taps.from === rows.window && other.taps.to - other.taps.from === columns.window;
        if (writesAll || (isWhole && isUnrolled(site))) {
          const taps = tapsOf(plane).filter((tap) => isIn(tap.row, own.taps) && isIn(tap.column, other.taps));
          const count = columns.window > columns.stride && columns.dilation === 1 && other.to - other.from > 1 ? 2 : 1;
          const pairs = other.from + Math.floor((other.to - other.from) / count) * count;
          f.for(column, other.from, pairs, count, () =>
            place(column, count, taps[0]!.cell).each(null, runLanes, (spots) => run(spots, taps)),
          );
          f.for(column, pairs, other.to, 1, () => place(column, 1, taps[0]!.cell).each(null, runLanes, (spots) => run(spots, taps)));
        } else
          f.for(column, other.from, other.to, 1, () => (isWhole ? place(column, 1).each(null, 4, (spots) => whole(spots[0]!)) : atEdge()));
      };
      check?.begin();
      byKind(f, row, rowKinds, (own) => columnKinds.forEach((other) => oneOf(own, other)));
      if (check) f.if(check.failed(), () => f.for(column, 0, columns.outputs, 1, atEdge));
    });
  });
}

/** Neighbouring windows along an axis with the same taps inside. */
interface Kind extends Range {
  readonly taps: Range;
}

const isIn = (n: number, { from, to }: Range): boolean => n >= from && n < to;

function kindsOf({ outputs, window, stride, dilation, before, size }: Axis): readonly Kind[] {
  const kinds: Kind[] = [];
  for (let output = 0; output < outputs; output++) {
    const upTo = (end: number): number => Math.min(window, Math.max(0, Math.ceil((end - output * stride + before) / dilation)));
    const taps = { from: upTo(0), to: upTo(size) };
    const last = kinds.at(-1);
    if (last && last.taps.from === taps.from && last.taps.to === taps.to) kinds[kinds.length - 1] = { ...last, to: output + 1 };
    else kinds.push({ from: output, to: output + 1, taps });
  }
  return kinds;
}

/** Code for the kind that a row is of. */
function byKind(f: FunctionBuilder, row: Local<'i32'>, kinds: readonly Kind[], body: (kind: Kind) => void): void {
  const [first, ...rest] = kinds;
  if (!first) return;
  if (rest.length === 0) return body(first);
  f.if(
    f.i32.ltU(row, first.to),
    () => body(first),
    () => byKind(f, row, rest, body),
  );
}

/** Parts of the channels, whole runs each, where one row of windows is much more than a tile. */
function splitChannels(channels: number, reads: number): { readonly count: number; readonly size: number } {
  const wanted = Math.min(Math.floor(channels / runLanes), Math.floor(reads / grain));
  if (wanted <= 1) return { count: 1, size: channels };
  const size = Math.ceil(channels / wanted / runLanes) * runLanes;
  return { count: Math.ceil(channels / size), size };
}

/** All channels, or those of part `part`, which is whole runs: `most` at a time. */
function forPart(
  f: FunctionBuilder,
  {
    channels,
    size,
    part,
    most,
  }: { readonly channels: number; readonly size: number; readonly part: Local<'i32'> | null; readonly most: number },
  body: (channel: Local<'i32'> | number, lanes: number) => void,
): void {
  const whole = (channels - (channels % most)) * 4;
  const rest = channels % most;
  if (!part && whole === most * 4) body(0, most);
  else if (whole > 0) {
    const from = part ? f.let(f.i32.mul(part, size * 4)) : 0;
    const end = part ? f.let(f.i32.add(from, size * 4)) : null;
    const channel = f.local.i32();
    f.for(channel, from, end ? f.let(atMost(f, end, whole)) : whole, most * 4, () => body(channel, most));
    if (end && rest > 0) return f.if(f.i32.geU(end, channels * 4), () => body(whole, rest));
  }
  if (rest > 0) body(whole, rest);
}

/** Whether the cells of a whole window are written out one by one. */
export const isUnrolled = ({ fused, attributes: { window } }: WasmSite<PoolAttributes>): boolean =>
  window.height * window.width <= (fused[0] ? unrolledFused : unrolled);

/** A cell of a written-out window. */
export interface Tap {
  /** Its number in the window, and counted from the window's first cell through the input plane. */
  readonly index: number;
  readonly cell: number;
  readonly row: number;
  readonly column: number;
}

/** The cells of a window, in row-major order. */
export function tapsOf({ rows, columns }: Plane): readonly Tap[] {
  return Array.from({ length: rows.window * columns.window }, (_, index) => {
    const [row, column] = [Math.floor(index / columns.window), index % columns.window];
    return { index, cell: row * rows.dilation * columns.size + column * columns.dilation, row, column };
  });
}

/** Reads the cell that is `cell` behind the window's first one, at the vector of that number. */
export function readTap({ stage, plane, origin, base, channel }: Spot, cell: number, vector: number): V128 {
  const bytes = vector * VECTOR_BYTES;
  return stage.load(0, { at: origin, offset: (cell - base) * plane.channels * 4 + bytes, channel, channelOffset: bytes });
}

/** The vectors of a run, by number. */
export const vectorsOf = ([spot]: readonly Spot[]): readonly number[] => Array.from({ length: Math.ceil(spot!.lanes / 4) }, (_, i) => i);

/** How many channels of that vector count. */
export const lanesOf = ({ lanes }: Spot, vector: number): Lanes => Math.min(4, lanes - vector * 4) as Lanes;

/** Loops over the cells of a window that lie inside, in row-major order. `place` is the cell's number in the window. */
export function forCells(
  { stage, plane, origin, channel, inside }: Spot,
  body: (value: V128, cell: Local<'i32'>, place: () => I32) => void,
): void {
  const { f } = stage;
  const { i32 } = f;
  const { rows, columns, channels } = plane;
  const loop = ({ from, to }: Range<Operand<'i32'>>, inner: (tap: Local<'i32'>) => void): void => {
    const tap = f.local.i32();
    f.for(tap, from, to, 1, () => inner(tap));
  };
  const of = (own: Range<Local<'i32'>> | undefined, window: number): Range<Operand<'i32'>> => own ?? { from: 0, to: window };
  loop(of(inside?.rows, rows.window), (row) => {
    const start = f.let(i32.mul(row, rows.dilation * columns.size));
    loop(of(inside?.columns, columns.window), (column) => {
      const cell = f.let(i32.add(start, i32.mul(column, columns.dilation)));
      const value = stage.load(0, { at: f.let(i32.add(origin, i32.mul(cell, channels * 4))), channel });
      body(value, cell, () => i32.add(i32.mul(row, columns.window), column));
    });
  });
}
