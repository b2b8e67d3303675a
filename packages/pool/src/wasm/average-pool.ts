import { wasmKernel } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { averagePool, averagePoolGradient, type AveragePoolAttributes } from '../average-pool.ts';
import { ceilOrZero, isAll, minimum, planeOf, tapsInside, wholeWindows, type Axis, type Plane, type Range } from './axis.ts';
import { emitCells } from './cells.ts';
import { emitWindows, forCells, isUnrolled, readTap, tapsOf, type Spot } from './windows.ts';

type Divisor = AveragePoolAttributes['divisor'];

/** Cells that one float32 sum adds up; more are summed in double precision. */
const chain = 32;

export const averagePoolWasm = wasmKernel(
  averagePool,
  (site) => {
    const { inputs, outputs, attributes } = site;
    const plane = planeOf(inputs[0]!.shape, outputs[0]!.shape, attributes);
    emitWindows(site, ({ f, store }) => {
      const full = splatOf(f, fullCount(plane, attributes.divisor));
      const write = ({ to, channel, lanes }: Spot, sum: V128, count: V128 | null): void =>
        store(count ? f.f32x4.div(sum, count) : sum, { at: to, channel }, lanes);
      return {
        whole: (spot) => write(spot, isUnrolled(site) ? sumTaps(spot) : sumCells(spot), full),
        edge: (spot) =>
          write(spot, sumCells(spot), splatOf(f, countAt(f, plane, { row: spot.top, column: spot.left }, attributes.divisor))),
      };
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

/** Every cell adds up the windows it is in. Where all have the same divisor, the sum is divided. */
export const averagePoolGradientWasm = wasmKernel(
  averagePoolGradient,
  (site) => {
    const { divisor, inputShape } = site.attributes;
    const plane = planeOf(inputShape, site.inputs[0]!.shape, site.attributes);
    const { rows, columns } = plane;
    const range = (axis: Axis): Range => fullWindows(axis, divisor);
    const allFull = isAll(range(rows), rows.outputs) && isAll(range(columns), columns.outputs);
    emitCells(site, range, ({ f, load, store }) => {
      const full = splatOf(f, fullCount(plane, divisor));
      return ({ to, channel, lanes, isWhole, forWindows }) => {
        const sum = f.local.v128(0);
        const oneDivisor = isWhole || allFull;
        forWindows(({ at, offset, position }) => {
          const dy = load(0, { at, offset, channel });
          const own = oneDivisor || !position ? null : splatOf(f, countAt(f, plane, startOf(f, plane, position), divisor));
          f.set(sum, f.f32x4.add(sum, own ? f.f32x4.div(dy, own) : dy));
        });
        store(oneDivisor && full ? f.f32x4.div(sum, full) : sum, { at: to, channel }, lanes);
      };
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

function sumTaps(spot: Spot): V128 {
  const { f } = spot.stage;
  const [first, ...others] = tapsOf(spot.plane);
  const sum = f.let(readTap(spot, first!));
  for (const tap of others) f.set(sum, f.f32x4.add(sum, readTap(spot, tap)));
  return sum;
}

function sumCells(spot: Spot): V128 {
  const { rows, columns } = spot.plane;
  const { f } = spot.stage;
  const { f32x4, f64x2 } = f;
  if (rows.window * columns.window <= chain) {
    const sum = f.local.v128(0);
    forCells(spot, (value) => f.set(sum, f32x4.add(sum, value)));
    return sum;
  }
  const [low, high] = [f.local.v128(0), f.local.v128(0)];
  forCells(spot, (read) => {
    const value = f.let(read);
    f.set(low, f64x2.add(low, f64x2.promoteLowF32x4(value)));
    f.set(high, f64x2.add(high, f64x2.promoteLowF32x4(f32x4.shuffle(value, value, [2, 3, 2, 3]))));
  });
  return f32x4.shuffle(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high), [0, 1, 4, 5]);
}

/** The windows that are divided by all their cells. */
function fullWindows(axis: Axis, divisor: Divisor): Range {
  if (divisor === 'one') return { from: 0, to: axis.outputs };
  if (divisor === 'present') return wholeWindows(axis);
  const { before, after } = axis;
  return wholeWindows({ ...axis, size: before + axis.size + after, before: 0 });
}

const fullCount = ({ rows, columns }: Plane, divisor: Divisor): number => (divisor === 'one' ? 1 : rows.window * columns.window);

/** A divisor in every lane; null for 1. */
function splatOf(f: FunctionBuilder, count: number | I32): Local<'v128'> | null {
  if (count === 1) return null;
  return f.let(f.f32x4.splat(typeof count === 'number' ? f.f32.const(count) : f.f32.convertI32S(count)));
}

interface Position {
  readonly row: Local<'i32'>;
  readonly column: Local<'i32'>;
}

/** The first cell of a window. */
function startOf(f: FunctionBuilder, { rows, columns }: Plane, { row, column }: Position): Position {
  const start = ({ stride, before }: Axis, window: Local<'i32'>): Local<'i32'> => f.let(f.i32.sub(f.i32.mul(window, stride), before));
  return { row: start(rows, row), column: start(columns, column) };
}

/** What the window that starts there is divided by. */
function countAt(f: FunctionBuilder, { rows, columns }: Plane, start: Position, divisor: Divisor): number | I32 {
  if (divisor === 'one') return 1;
  return f.i32.mul(countAlong(f, rows, start.row, divisor), countAlong(f, columns, start.column, divisor));
}

/** Cells inside, or with `padded` those in the padding as well; cells beyond the padding never count. */
function countAlong(f: FunctionBuilder, axis: Axis, start: Local<'i32'>, divisor: 'present' | 'padded'): I32 {
  if (divisor === 'present') {
    const { from, to } = tapsInside(f, axis, start);
    return f.i32.sub(to, from);
  }
  const room = f.let(f.i32.sub(axis.size + axis.after, start));
  return minimum(f, ceilOrZero(f, room, axis.dilation), axis.window);
}
