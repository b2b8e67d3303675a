import { wasmKernel } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { averagePool, averagePoolGradient, type AveragePoolAttributes } from '../average-pool.ts';
import { isAll, minimum, ceilOrZero, planeOf, tapsInside, wholeWindows, type Axis, type Plane, type Range } from './axis.ts';
import { emitCells } from './cells.ts';
import { eachCell, emitWindows, forCells, isUnrolled, type Spot } from './windows.ts';

type Divisor = AveragePoolAttributes['divisor'];

/** Cells that one float32 sum adds up; more are summed in double precision. */
const chain = 32;

export const averagePoolWasm = wasmKernel(
  averagePool,
  (site) => {
    const { divisor } = site.attributes;
    emitWindows(site, (spot) => {
      const { stage, plane, top, left, to, channel, lanes, inside } = spot;
      const { f } = stage;
      const sum = sumOf(spot, !inside && isUnrolled(site, plane));
      const mean = inside
        ? divide(f, sum, countAt(f, plane, { row: top, column: left }, divisor))
        : divide(f, sum, fullCount(plane, divisor));
      stage.store(mean, { at: to, channel }, lanes);
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

/** Every cell adds up the windows it is in. Where all have the same divisor, the sum is divided. */
export const averagePoolGradientWasm = wasmKernel(
  averagePoolGradient,
  (site) => {
    const { divisor, inputShape } = site.attributes;
    const full = (axis: Axis): Range => fullWindows(axis, divisor);
    const { rows, columns } = planeOf(inputShape, site.inputs[0]!.shape, site.attributes);
    const allFull = isAll(full(rows), rows.outputs) && isAll(full(columns), columns.outputs);
    emitCells(site, full, ({ stage, plane, to, channel, lanes, isWhole, forWindows }) => {
      const { f } = stage;
      const sum = f.local.v128(0);
      const divided = isWhole || allFull;
      forWindows(({ at, offset, position }) => {
        const dy = stage.load(0, { at, offset, channel });
        f.set(sum, f.f32x4.add(sum, divided || !position ? dy : divide(f, dy, countAt(f, plane, startOf(f, plane, position), divisor))));
      });
      stage.store(divided ? divide(f, sum, fullCount(plane, divisor)) : sum, { at: to, channel }, lanes);
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

function sumOf(spot: Spot, unrolled: boolean): V128 {
  const { rows, columns } = spot.plane;
  const { f } = spot.stage;
  if (rows.window * columns.window > chain) return doubleSum(spot);
  const sum = f.local.v128(0);
  const add = (value: V128): void => f.set(sum, f.f32x4.add(sum, value));
  if (unrolled) eachCell(spot, add);
  else forCells(spot, add);
  return sum;
}

function doubleSum(spot: Spot): V128 {
  const { f } = spot.stage;
  const { f32x4, f64x2 } = f;
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

function divide(f: FunctionBuilder, sum: V128, count: number | I32): V128 {
  if (count === 1) return sum;
  return f.f32x4.div(sum, typeof count === 'number' ? count : f.f32x4.splat(f.f32.convertI32S(count)));
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
