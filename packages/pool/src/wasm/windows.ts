import { atMost, forUnits, tilesFor, VECTOR_BYTES, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import { defined } from '@shoal/core';
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
/** The same where windows share rows: what a row comes to and what the window does are kept apart, and more of them do not stay in registers. */
const sharedLanes = 16;
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
  /** Channels: of a vector, or in a run of several. */
  readonly lanes: number;
  /** The taps that lie inside; null where all do. */
  readonly inside: Inside | null;
  /** Where number `number` of a vector of channels is kept in a slot, of what a row comes to. */
  readonly kept: (slot: number, number: number, vector: number) => { readonly address: Local<'i32'>; readonly offset: number };
}

export interface Inside {
  readonly rows: Range<Local<'i32'>>;
  readonly columns: Range<Local<'i32'>>;
}

/** A row of a written-out window. */
export interface WindowRow {
  /** The slot that holds what the row comes to, because the window above has it as well; null where the taps are to be read. */
  readonly from: number | null;
  /** The slot in which the window below will look for it. */
  readonly to: number | null;
  /** Its cells that lie inside. */
  readonly taps: readonly Tap[];
}

/** The code for one kind of pooling, written inside a stage. */
export interface Walker {
  /** For a window of small size, by its rows: `writes` the result, or else only fills slots. */
  readonly run: (spot: Spot, rows: readonly WindowRow[], writes: boolean) => void;
  /** For a large window that lies inside. */
  readonly whole: (spot: Spot) => void;
  /** For any window; it looks at the bounds. */
  readonly edge: (spot: Spot & { readonly inside: Inside }) => void;
  /** For kinds whose `run` and `whole` are right only as long as nothing special is read. */
  readonly check?: {
    /** Before the windows of a tile. */
    readonly begin: () => void;
    /** Whether a row of windows must be done again, all of it by `edge`: then the rows after it as well, which may have read the same cells. */
    readonly failed: () => I32;
  };
}

/**
 * Walks all windows, a vector of channels at a time. A tile is a few output rows, or a part of the channels of one row where there is
 * much to read. Small windows are written out, once for each way to lie across an edge. A row of cells that two windows share, one below the other,
 * is gone through once: what it comes to in each column, `numbers` numbers, goes into a slot for the window below.
 */
export function emitWindows(site: WasmSite<PoolAttributes>, numbers: number, walkerOf: (stage: Stage) => Walker): void {
  const plane = planeOf(site.inputs[0]!.shape, site.outputs[0]!.shape, site.attributes);
  const { batch, channels, rows, columns } = plane;
  const cellBytes = channels * 4;
  const [rowKinds, columnKinds] = [kindsOf(rows), kindsOf(columns)];
  const cells = (kinds: readonly Kind[]): number => kinds.reduce((sum, { taps }) => sum + taps.to - taps.from, 0);
  const writesAll = isUnrolled(site) && cells(rowKinds) * cells(columnKinds) <= mostCells;
  const slots = writesAll && rows.dilation === 1 ? Math.max(0, rows.window - rows.stride) : 0;
  const most = slots > 0 ? sharedLanes : runLanes;
  const reads = columns.outputs * channels * (rows.window - slots) * columns.window;
  const parts = splitChannels(channels, reads);
  const { tiles, perTile } = tilesFor(batch * rows.outputs, reads, grain);
  const vectorBytes = Math.ceil(channels / 4) * VECTOR_BYTES;
  const slotBytes = columns.outputs * numbers * vectorBytes;
  const scratch = slots > 0 ? site.scratch(slots * slotBytes, { perThread: true }) : null;
  site.stage({ tiles: columns.outputs * channels === 0 ? 0 : tiles * parts.count }, (stage) => {
    const { f } = stage;
    const { i32 } = f;
    const { run, whole, edge, check } = walkerOf(stage);
    const part = parts.count === 1 ? null : f.let(i32.remU(stage.tile, parts.count));
    const share = { ...stage, tile: part ? f.let(i32.divU(stage.tile, parts.count)) : stage.tile };
    const isFirst = f.local.i32(1);
    check?.begin();
    forUnits(share, batch * rows.outputs, perTile, (line) => {
      const [image, row, column] = [f.let(i32.divU(line, rows.outputs)), f.let(i32.remU(line, rows.outputs)), f.local.i32()];
      const top = f.let(i32.sub(i32.mul(row, rows.stride), rows.before));
      const first = f.let(i32.add(i32.mul(image, rows.size * columns.size), i32.mul(top, columns.size)));
      /** The windows of some columns, so many channels at a time. */
      const each = <S extends Inside | null>(
        { from, to }: Range,
        { lanes: together, base = 0 }: { readonly lanes: number; readonly base?: number },
        insideOf: (left: Local<'i32'>) => S,
        body: (spot: Spot & { readonly inside: S }) => void,
      ): void =>
        f.for(column, from, to, 1, () => {
          const left = f.let(i32.sub(i32.mul(column, columns.stride), columns.before));
          const cell = f.let(i32.add(i32.mul(top, columns.size), left));
          const window = (): I32 => i32.add(i32.mul(line, columns.outputs), column);
          const start = f.let(i32.mul(i32.add(i32.add(first, left), base), cellBytes));
          const target = f.let(i32.mul(window(), cellBytes));
          const slot = scratch && f.let(i32.add(stage.scratch(scratch), i32.mul(column, numbers * vectorBytes)));
          const inside = insideOf(left);
          forPart(f, { channels, size: parts.size, part, most: together }, (channel, lanes) => {
            const [origin, to] = [f.let(i32.add(start, channel)), f.let(i32.add(target, channel))];
            const address = slot && f.let(i32.add(slot, channel));
            const kept: Spot['kept'] = (which, number, vector) => ({
              address: defined(address, 'slots'),
              offset: which * slotBytes + number * vectorBytes + vector * VECTOR_BYTES,
            });
            f.temporaries(() => body({ stage, plane, base, left, cell, window, origin, top, to, channel, lanes, inside, kept }));
          });
        });
      const atEdge = (some: Range): void => {
        const inside = (left: Local<'i32'>): Inside => ({ rows: tapsInside(f, rows, top), columns: tapsInside(f, columns, left) });
        each(some, { lanes: 4 }, inside, edge);
      };
      const written = (own: Kind, other: Kind, writes: boolean): void => {
        const alreadyRead = !writesAll || columns.dilation > 1 || other.from === 0 ? 0 : columns.window - columns.stride;
        const taps = tapsOf(plane)
          .filter((tap) => isIn(tap.row, own.taps) && isIn(tap.column, other.taps))
          .map((tap) => ({ ...tap, isNew: tap.column >= alreadyRead }));
        const windowRows = Array.from({ length: own.taps.to - own.taps.from }, (_, i): WindowRow => {
          const at = own.taps.from + i;
          const to = at >= rows.stride ? at - rows.stride : null;
          return {
            from: writes && at < slots ? at : null,
            to: writes ? (slots > 0 ? to : null) : at,
            taps: taps.filter((tap) => tap.row === at),
          };
        });
        const some = writes ? windowRows : windowRows.filter(({ to }) => to! < slots);
        each(
          other,
          { lanes: most, base: taps[0]!.cell },
          () => null,
          (spot) => run(spot, some, writes),
        );
      };
      const oneOf = (own: Kind, other: Kind): void => {
        const isWhole = own.taps.to - own.taps.from === rows.window && other.taps.to - other.taps.from === columns.window;
        if (writesAll || (isWhole && isUnrolled(site))) written(own, other, true);
        else if (isWhole) each(other, { lanes: 4 }, () => null, whole);
        else atEdge(other);
      };
      byKind(f, row, rowKinds, (own) => {
        // Slots are filled where a tile begins, and where an image does; only there no window above has done it.
        if (own.taps.from < slots)
          f.if(own.to === 1 ? 1 : i32.or(isFirst, i32.eqz(row)), () => columnKinds.forEach((other) => written(own, other, false)));
        columnKinds.forEach((other) => oneOf(own, other));
      });
      f.set(isFirst, 0);
      if (check) f.if(check.failed(), () => atEdge({ from: 0, to: columns.outputs }));
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
    // The first window stands alone: it has no neighbour that has read some of its cells before.
    if (last && output > 1 && last.taps.from === taps.from && last.taps.to === taps.to)
      kinds[kinds.length - 1] = { ...last, to: output + 1 };
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
  /** Whether no window to the left has read the cell. */
  readonly isNew: boolean;
}

/** The cells of a window, in row-major order. */
export function tapsOf({ rows, columns }: Plane): readonly Omit<Tap, 'isNew'>[] {
  return Array.from({ length: rows.window * columns.window }, (_, index) => {
    const [row, column] = [Math.floor(index / columns.window), index % columns.window];
    return { index, cell: row * rows.dilation * columns.size + column * columns.dilation, row, column };
  });
}

/** Reads the cell that is `cell` behind the window's first one, at every vector of the run. */
export function readTap(spot: Spot, cell: number): readonly V128[] {
  const { stage, plane, origin, base, channel } = spot;
  return stage.loadAll(0, { at: origin, offset: (cell - base) * plane.channels * 4, channel }, vectorsOf(spot).length);
}

/** The vectors of a run, by number. */
export const vectorsOf = ({ lanes }: Spot): readonly number[] => Array.from({ length: Math.ceil(lanes / 4) }, (_, i) => i);

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
