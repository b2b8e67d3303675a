import { forUnits, tilesFor, VECTOR_BYTES, type Place, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, Operand } from '@shoal/backend-wasm/encoder';
import type { PoolGradientAttributes } from '../window.ts';
import { ceilOrZero, minimum, planeOf, type Axis, type Plane, type Range } from './axis.ts';

/** Reads that one tile does: some ten microseconds. */
const grain = 32768;
/** Windows of so many cells, and blocks of so many, are written out in the middle of the plane. */
const mostMiddle = 25;
/** So many pairs of a cell and a window are written out in all. */
const mostVisits = 160;
/** Channels that go through one round of the loop over them: two neighbouring cache lines, as pooling forward reads them. */
const roundLanes = 32;

/** One cell of the input plane, at one vector of channels, or at two where the engine joins pairs. */
export interface Cell {
  /** Its number in the plane, row * width + column, in every lane. */
  readonly number: () => Operand<'v128'>;
  /** Where its gradient goes: that of the first vector. */
  readonly place: Place;
  /** Channels of all its vectors. */
  readonly lanes: number;
  /** Which vectors of the round over the channels. */
  readonly vectors: readonly number[];
  /** Writes code for each window that reads the cell, in row-major order: one copy of the body for each, or a loop where it is not `written`. */
  readonly written: boolean;
  readonly forWindows: (body: (window: Window) => void) => void;
}

export interface Window {
  /** Where its numbers lie in each operand, at the channels of the round. */
  readonly places: readonly { readonly at: Local<'i32'>; readonly offset: number }[];
  /** Which of its cells this is, in row-major order. */
  readonly tap: number | (() => I32);
  /** Its row and column among the windows; null along an axis where it is one of those that are all alike. */
  readonly row: Local<'i32'> | number | null;
  readonly column: Local<'i32'> | number | null;
  /** What cells share that read the same window: made where it is asked for first, by vector or by round. */
  readonly once: <T>(key: string, make: () => T) => T;
}

/** A tensor with numbers for each window: bytes from one window to the next, and by how much offsets of channels are shifted in it. */
export interface WindowOperand {
  readonly bytes: number;
  readonly shift: number;
}

/**
 * Walks the cells of the input plane and gathers from the windows that read them. `whole` says which windows along an axis are all alike.
 *
 * Cell x is read by the windows o = q - t with q = floor((x + before) / stride), t = 0, 1, ... while tap i = r + t * stride, r the
 * remainder, is in the window. The cells of one q along both axes are a block, and read the same few windows. Blocks are written out, and
 * what windows hold is read once for all cells of a block: those in the middle, and around them those of each q, whose windows and cells
 * are known. Where that would be too much code, blocks at the edges are loops.
 */
export function emitCells<A extends PoolGradientAttributes>(
  site: WasmSite<A>,
  operands: readonly WindowOperand[],
  whole: (axis: Axis) => Range,
  visitorOf: (stage: Stage) => (cell: Cell) => void,
): void {
  const { attributes, inputs, outputs } = site;
  const plane = planeOf(outputs[0]!.shape, inputs[0]!.shape, attributes);
  const { batch, channels, rows, columns } = plane;
  const blockRows = lastQuotient(rows) + 1;
  const visits = (class_: { readonly rows: Class; readonly columns: Class }): number =>
    visitsAlong(rows, class_.rows) * visitsAlong(columns, class_.columns);
  const [rowClasses, columnClasses] = [classesOf(rows, whole(rows)), classesOf(columns, whole(columns))];
  const all = rowClasses.flatMap((own) => columnClasses.map((other) => visits({ rows: own, columns: other })));
  const dense = rows.dilation === 1 && columns.dilation === 1;
  const writesMiddle = dense && rows.window * columns.window <= mostMiddle && rows.stride * columns.stride <= mostMiddle;
  const writesEdges = writesMiddle && all.reduce((sum, count) => sum + count, 0) <= mostVisits;
  const reads = columns.size * rows.stride * channels * mostTaps(rows) * mostTaps(columns);
  const { tiles, perTile } = tilesFor(batch * blockRows, reads, grain);
  site.stage({ tiles: rows.size * columns.size * channels === 0 ? 0 : tiles }, (stage) => {
    const { f } = stage;
    const { i32 } = f;
    const emission: Emission = { stage, plane, operands, together: site.engine.wide ? 2 : 1, visit: visitorOf(stage) };
    forUnits(stage, batch * blockRows, perTile, (unit) => {
      const [image, down, across] = [f.let(i32.divU(unit, blockRows)), f.let(i32.remU(unit, blockRows)), f.local.i32()];
      byClass(f, down, rowClasses, (own) => {
        for (const other of columnClasses) {
          const isMiddle = own.only === null && other.only === null;
          f.for(across, other.from, other.to, 1, () => {
            if (isMiddle ? writesMiddle : writesEdges) emitBlock(emission, { image, down, across }, own, other);
            else emitEdge(emission, { image, down, across });
          });
        }
      });
    });
  });
}

/** Neighbouring quotients whose blocks are alike; `only` where it is a single one at the edge. */
interface Class extends Range {
  readonly only: number | null;
}

/** The quotients that have cells: those at either edge each for itself, or all of them where nothing is alike. */
function classesOf(axis: Axis, whole: Range): readonly Class[] {
  const { size, before, stride } = axis;
  const [first, last] = [Math.floor(before / stride), lastQuotient(axis)];
  const from = Math.max(whole.from + mostTaps(axis) - 1, Math.ceil(before / stride), first);
  const to = Math.min(whole.to, Math.floor((size + before) / stride), last + 1);
  const each = (start: number, end: number): Class[] =>
    range(end - start).map((i) => ({ from: start + i, to: start + i + 1, only: start + i }));
  if (to <= from) return each(first, last + 1);
  return [...each(first, from), { from, to, only: null }, ...each(to, last + 1)];
}

/** Remainders whose cells lie inside. */
const cellsOf = ({ size, before, stride }: Axis, { only }: Class): readonly number[] =>
  range(stride).filter((r) => only === null || (only * stride + r >= before && only * stride + r < size + before));

/** The t of the windows q - t that there are and that read the cell of remainder `r`, in the order of the windows. */
const windowsAt = (axis: Axis, { only }: Class, r: number): readonly number[] =>
  range(tapsOf(axis, r))
    .filter((t) => only === null || (only - t >= 0 && only - t < axis.outputs))
    .toReversed();

const visitsAlong = (axis: Axis, class_: Class): number =>
  cellsOf(axis, class_).reduce((sum, r) => sum + windowsAt(axis, class_, r).length, 0);

/** Code for the class that a quotient is in. */
function byClass(f: FunctionBuilder, quotient: Local<'i32'>, classes: readonly Class[], body: (class_: Class) => void): void {
  const [first, ...rest] = classes;
  if (!first) return;
  f.if(
    f.i32.ltU(f.i32.sub(quotient, first.from), first.to - first.from),
    () => body(first),
    () => byClass(f, quotient, rest, body),
  );
}

interface Emission {
  readonly stage: Stage;
  readonly plane: Plane;
  readonly operands: readonly WindowOperand[];
  /** Vectors of a cell that are treated alike and stored one after the other. */
  readonly together: number;
  readonly visit: (cell: Cell) => void;
}

/** The cells whose quotients are `down` and `across`. */
interface Block {
  readonly image: Local<'i32'>;
  readonly down: Local<'i32'>;
  readonly across: Local<'i32'>;
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** All cells of a block that lie inside, with all windows that there are. */
function emitBlock({ stage, plane, operands, together, visit }: Emission, { image, down, across }: Block, own: Class, other: Class): void {
  const { f } = stage;
  const { i32 } = f;
  const { rows, columns, channels } = plane;
  const cellBytes = channels * 4;
  // Block and windows are addressed from their first ones, which may lie outside: offsets reach the others.
  const first = (axis: Axis, quotient: Local<'i32'>, r: number): I32 => i32.sub(i32.mul(quotient, axis.stride), axis.before - r);
  const [rowCells, columnCells] = [cellsOf(rows, own), cellsOf(columns, other)];
  const [r0, c0] = [rowCells[0]!, columnCells[0]!];
  const corner = f.let(i32.add(i32.mul(first(rows, down, r0), columns.size), first(columns, across, c0)));
  const to = f.let(i32.mul(i32.add(i32.mul(image, rows.size * columns.size), corner), cellBytes));
  const [t0, u0] = [furthest(rows, own), furthest(columns, other)];
  const windowRow = i32.sub(i32.add(i32.mul(image, rows.outputs), down), t0);
  const window = f.let(i32.sub(i32.add(i32.mul(windowRow, columns.outputs), across), u0));
  const starts = operands.map(({ bytes }) => f.let(i32.mul(window, bytes)));
  forRounds(f, channels, (channel, lanes) => {
    const at = f.let(i32.add(to, channel));
    const sources = operands.map(({ shift }, i) => f.let(i32.add(starts[i]!, shifted(f, channel, shift))));
    const rounds = new Map<string, unknown>();
    const visitWindow = (t: number, u: number, r: number, c: number): Window => {
      const step = (t0 - t) * columns.outputs + u0 - u;
      return {
        places: operands.map(({ bytes }, operand) => ({ at: sources[operand]!, offset: step * bytes })),
        tap: (r + t * rows.stride) * columns.window + c + u * columns.stride,
        row: own.only === null ? null : own.only - t,
        column: other.only === null ? null : other.only - u,
        once: (key, make) => remembered(rounds, `${step} ${key}`, make),
      };
    };
    for (const group of groupsOf(lanes, together)) {
      const first = group.vectors[0]! * VECTOR_BYTES;
      for (const r of rowCells) {
        for (const c of columnCells) {
          const inPlane = (r - r0) * columns.size + c - c0;
          visit({
            ...group,
            number: () => remembered(rounds, `number ${inPlane}`, () => f.let(f.i32x4.splat(i32.add(corner, inPlane)))),
            place: { at, offset: inPlane * cellBytes + first, channel, channelOffset: first },
            written: true,
            forWindows: (body) => {
              for (const t of windowsAt(rows, own, r)) for (const u of windowsAt(columns, other, c)) body(visitWindow(t, u, r, c));
            },
          });
        }
      }
    }
  });
}

/** The largest t of a window q - t that there is. */
const furthest = (axis: Axis, class_: Class): number => Math.max(0, ...cellsOf(axis, class_).flatMap((r) => windowsAt(axis, class_, r)));

/** Neighbouring vectors that are stored one after the other, `together` at a time, and the channels that they are. */
function groupsOf(lanes: number, together: number): readonly Pick<Cell, 'vectors' | 'lanes'>[] {
  const vectors = range(Math.ceil(lanes / 4));
  return range(Math.ceil(vectors.length / together)).map((group) => {
    const first = group * together;
    return { vectors: vectors.slice(first, first + together), lanes: Math.min(together * 4, lanes - first * 4) };
  });
}

function remembered<T>(memo: Map<string, unknown>, key: string, make: () => T): T {
  if (!memo.has(key)) memo.set(key, make());
  return memo.get(key) as T;
}

/** The cells of a block that lie inside, one by one, each with the windows that there are. */
function emitEdge({ stage, plane, operands, together, visit }: Emission, { image, down, across }: Block): void {
  const { f } = stage;
  const { i32 } = f;
  const { rows, columns, channels } = plane;
  const cellBytes = channels * 4;
  forInside(f, rows, down, (row, vertical) => {
    forInside(f, columns, across, (column, horizontal) => {
      const cell = f.let(i32.add(i32.mul(row, columns.size), column));
      const to = f.let(i32.mul(i32.add(i32.mul(image, rows.size * columns.size), cell), cellBytes));
      const [own, other] = [windowsOf(f, rows, vertical), windowsOf(f, columns, horizontal)];
      forRounds(f, channels, (channel, lanes) => {
        for (const group of groupsOf(lanes, together)) {
          const first = group.vectors[0]! * VECTOR_BYTES;
          visit({
            ...group,
            number: () => f.i32x4.splat(cell),
            place: { at: f.let(i32.add(to, channel)), offset: first, channel, channelOffset: first },
            written: false,
            forWindows: (body) =>
              forRange(f, rows, own, vertical, (r) =>
                forRange(f, columns, other, horizontal, (c) => {
                  const window = f.let(i32.add(i32.mul(i32.add(i32.mul(image, rows.outputs), r), columns.outputs), c));
                  const tapAlong = (axis: Axis, position: Local<'i32'>, o: Local<'i32'>): I32 =>
                    i32.divU(i32.sub(position, i32.mul(o, axis.stride)), axis.dilation);
                  body({
                    places: operands.map(({ bytes, shift }) => ({
                      at: f.let(i32.add(i32.mul(window, bytes), shifted(f, channel, shift))),
                      offset: 0,
                    })),
                    tap: () => i32.add(i32.mul(tapAlong(rows, vertical, r), columns.window), tapAlong(columns, horizontal, c)),
                    row: r,
                    column: c,
                    once: (_, make) => make(),
                  });
                }),
              ),
          });
        }
      });
    });
  });
}

/** Walks the channels a round at a time, and then the rest: `lanes` counts over several vectors. */
function forRounds(f: FunctionBuilder, channels: number, body: (channel: Local<'i32'> | number, lanes: number) => void): void {
  const whole = Math.floor(channels / roundLanes) * roundLanes;
  const round = (channel: Local<'i32'> | number, lanes: number): void => f.temporaries(() => body(channel, lanes));
  if (whole === roundLanes) round(0, roundLanes);
  else if (whole > 0) {
    const channel = f.local.i32();
    f.for(channel, 0, whole * 4, roundLanes * 4, () => round(channel, roundLanes));
  }
  if (channels > whole) round(whole * 4, channels - whole);
}

function shifted(f: FunctionBuilder, channel: Local<'i32'> | number, shift: number): Operand<'i32'> {
  if (shift === 0) return channel;
  return typeof channel === 'number' ? channel >> shift : f.i32.shrU(channel, shift);
}

/** Windows that read a cell with remainder `r`. */
const tapsOf = ({ window, stride }: Axis, r: number): number => Math.max(0, Math.ceil((window - r) / stride));
const mostTaps = (axis: Axis): number => tapsOf(axis, 0);
const lastQuotient = ({ size, before, stride }: Axis): number => Math.floor((size - 1 + before) / stride);

/** The cells of quotient `quotient` that lie inside; `position` is the cell's plus what is before. */
function forInside(
  f: FunctionBuilder,
  { size, before, stride }: Axis,
  quotient: Local<'i32'>,
  body: (x: Local<'i32'>, position: Local<'i32'>) => void,
): void {
  const { i32 } = f;
  const start = f.let(i32.sub(i32.mul(quotient, stride), before));
  const end = f.let(minimum(f, i32.add(start, stride), size));
  const x = f.local.i32();
  f.for(x, f.let(f.select(start, i32.const(0), i32.gtS(start, 0))), end, 1, () => body(x, f.let(i32.add(x, before))));
}

/** The windows whose first and last cell lie around a position. */
function windowsOf(f: FunctionBuilder, { window, dilation, stride, outputs }: Axis, position: Local<'i32'>): Range<Local<'i32'>> {
  const first = f.let(f.i32.sub(position, (window - 1) * dilation));
  return { from: f.let(ceilOrZero(f, first, stride)), to: f.let(minimum(f, f.i32.add(f.i32.divU(position, stride), 1), outputs)) };
}

/** Those of them that have a tap at the position. */
function forRange(
  f: FunctionBuilder,
  { dilation, stride }: Axis,
  { from, to }: Range<Local<'i32'>>,
  position: Local<'i32'>,
  body: (window: Local<'i32'>) => void,
): void {
  const window = f.local.i32();
  f.for(window, from, to, 1, () => {
    if (dilation === 1) return body(window);
    f.if(f.i32.eqz(f.i32.remU(f.i32.sub(position, f.i32.mul(window, stride)), dilation)), () => body(window));
  });
}
