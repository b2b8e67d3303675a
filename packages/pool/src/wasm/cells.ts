import { forLanes, forUnits, tilesFor, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, Operand } from '@shoal/backend-wasm/encoder';
import type { PoolGradientAttributes } from '../window.ts';
import { ceilOrZero, minimum, planeOf, within, type Axis, type Plane, type Range } from './axis.ts';

/** Reads that one tile does: some ten microseconds. */
const grain = 32768;
/** Windows of so many cells, that meet a cell in so many ways, are written out; others are loops. */
const unrolledCells = 25;
const unrolledPhases = 9;

/** One cell of the input plane, at a vector of channels. */
export interface Cell {
  readonly stage: Stage;
  readonly plane: Plane;
  /** Number of the cell in its plane, row * width + column. */
  readonly cell: Local<'i32'>;
  /** Byte offset in the tensor that has the input's shape. */
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  readonly lanes: Lanes;
  /**
   * Writes code for each window that reads the cell, in row-major order: in the general form a loop, whose body knows row and column of
   * the window; where all windows are whole, one copy of the body for each.
   */
  readonly forWindows: (body: (window: Window) => void) => void;
  readonly isWhole: boolean;
}

export interface Window {
  /** Where its result is, in bytes, at the cell's channels. */
  readonly at: Local<'i32'>;
  readonly offset: number;
  readonly position: { readonly row: Local<'i32'>; readonly column: Local<'i32'> } | null;
}

/**
 * Walks the cells of the input plane and gathers from the windows that read them, a vector of channels at a time. `whole` says which
 * windows along an axis are all alike. Cell x is read by the windows o = q - t with q = floor((x + before) / stride), t = 0, 1, ... while tap
 * i = r + t * stride, r the remainder, is in the window: cells of one remainder are alike, and get code of their own.
 */
export function emitCells<A extends PoolGradientAttributes>(
  site: WasmSite<A>,
  whole: (axis: Axis) => Range,
  visitorOf: (stage: Stage) => (cell: Cell) => void,
): void {
  const { attributes, inputs, outputs } = site;
  const plane = planeOf(outputs[0]!.shape, inputs[0]!.shape, attributes);
  const { batch, channels, rows, columns } = plane;
  const cellBytes = channels * 4;
  const [rowQuotients, columnQuotients] = [quotients(rows, whole(rows)), quotients(columns, whole(columns))];
  const specialised =
    rows.dilation === 1 &&
    columns.dilation === 1 &&
    rows.window * columns.window <= unrolledCells &&
    rows.stride * columns.stride <= unrolledPhases &&
    rowQuotients.to > rowQuotients.from &&
    columnQuotients.to > columnQuotients.from;
  const reads = columns.size * channels * mostTaps(rows) * mostTaps(columns);
  const { tiles, perTile } = tilesFor(batch * rows.size, reads, grain);
  site.stage({ tiles: columns.size * channels === 0 ? 0 : tiles }, (stage) => {
    const { f } = stage;
    const { i32 } = f;
    const visit = visitorOf(stage);
    forUnits(stage, batch * rows.size, perTile, (line) => {
      const [image, row, column] = [f.let(i32.divU(line, rows.size)), f.let(i32.remU(line, rows.size)), f.local.i32()];
      const vertical = reach(f, rows, row);
      const windowsAbove = f.let(i32.mul(image, rows.outputs));
      const rowWhole = specialised ? held(f, within(f, vertical.quotient, rowQuotients, lastQuotient(rows) + 1)) : null;
      f.for(column, 0, columns.size, 1, () => {
        const horizontal = reach(f, columns, column);
        const cell = f.let(i32.add(i32.mul(row, columns.size), column));
        const to = f.let(i32.mul(i32.add(i32.mul(line, columns.size), column), cellBytes));
        const each = (isWhole: boolean, forWindows: (channel: Operand<'i32'>, body: (window: Window) => void) => void): void =>
          forLanes(f, channels, (channel, lanes) => {
            const target = f.let(i32.add(to, channel));
            visit({ stage, plane, cell, to: target, channel, lanes, isWhole, forWindows: (body) => forWindows(channel, body) });
          });
        const edge = (): void => {
          const [own, other] = [windowsOf(f, rows, vertical.position), windowsOf(f, columns, horizontal.position)];
          each(false, (channel, body) =>
            forRange(f, rows, own, vertical.position, (r) =>
              forRange(f, columns, other, horizontal.position, (c) => {
                const window = i32.add(i32.mul(i32.add(windowsAbove, r), columns.outputs), c);
                body({ at: f.let(i32.add(i32.mul(window, cellBytes), channel)), offset: 0, position: { row: r, column: c } });
              }),
            ),
          );
        };
        if (!specialised) return edge();
        const inner = (): void =>
          byCase(f, vertical.remainder, rows.stride, (r) =>
            byCase(f, horizontal.remainder, columns.stride, (c) => {
              const [down, across] = [tapsOf(rows, r), tapsOf(columns, c)];
              const first = i32.sub(i32.add(windowsAbove, vertical.quotient), down - 1);
              const corner = i32.add(i32.mul(first, columns.outputs), i32.sub(horizontal.quotient, across - 1));
              const from = f.let(i32.mul(corner, cellBytes));
              each(true, (channel, body) => {
                if (down * across === 0) return;
                const at = f.let(i32.add(from, channel));
                for (let i = 0; i < down; i++)
                  for (let j = 0; j < across; j++) body({ at, offset: (i * columns.outputs + j) * cellBytes, position: null });
              });
            }),
          );
        const columnWhole = within(f, horizontal.quotient, columnQuotients, lastQuotient(columns) + 1);
        if (rowWhole && columnWhole) f.if(i32.and(rowWhole, columnWhole), inner, edge);
        else if (rowWhole ?? columnWhole) f.if((rowWhole ?? columnWhole)!, inner, edge);
        else inner();
      });
    });
  });
}

const held = (f: FunctionBuilder, value: I32 | null): Local<'i32'> | null => value && f.let(value);

/** Windows that read a cell with remainder `r`. */
const tapsOf = ({ window, stride }: Axis, r: number): number => Math.max(0, Math.ceil((window - r) / stride));
const mostTaps = (axis: Axis): number => tapsOf(axis, 0);
const lastQuotient = ({ size, before, stride }: Axis): number => Math.floor((size - 1 + before) / stride);

/** The quotients q whose windows q, q - 1, ... are in the range, whatever the remainder. */
function quotients(axis: Axis, { from, to }: Range): Range {
  return { from: from + mostTaps(axis) - 1, to: Math.min(to, lastQuotient(axis) + 1) };
}

interface Reach {
  /** x + before. */
  readonly position: Local<'i32'>;
  readonly quotient: Local<'i32'>;
  readonly remainder: Local<'i32'>;
}

function reach(f: FunctionBuilder, { before, stride }: Axis, x: Local<'i32'>): Reach {
  const position = f.let(f.i32.add(x, before));
  return { position, quotient: f.let(f.i32.divU(position, stride)), remainder: f.let(f.i32.remU(position, stride)) };
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

/** Code for each value below `count` that `value` may have. */
function byCase(f: FunctionBuilder, value: Local<'i32'>, count: number, body: (value: number) => void, from = 0): void {
  if (from === count - 1) return body(from);
  f.if(
    f.i32.eq(value, from),
    () => body(from),
    () => byCase(f, value, count, body, from + 1),
  );
}
