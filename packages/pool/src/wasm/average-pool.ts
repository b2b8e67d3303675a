import { VECTOR_BYTES, wasmKernel } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { averagePool, averagePoolGradient, type AveragePoolAttributes } from '../average-pool.ts';
import { ceilOrZero, minimum, planeOf, tapsInside, wholeWindows, type Axis, type Plane, type Range } from './axis.ts';
import { emitCells } from './cells.ts';
import { emitWindows, forCells, readTap, vectorsOf, type Spot, type Tap } from './windows.ts';

type Divisor = AveragePoolAttributes['divisor'];

/** Cells that one float32 sum adds up; more are summed in double precision. */
const chain = 32;

export const averagePoolWasm = wasmKernel(
  averagePool,
  (site) => {
    const { inputs, outputs, attributes } = site;
    const plane = planeOf(inputs[0]!.shape, outputs[0]!.shape, attributes);
    emitWindows(site, 1, ({ f, storeAll }) => {
      const { add, div } = f.f32x4;
      const full = splatOf(f, fullCount(plane, attributes.divisor));
      const write = ({ to, channel, lanes }: Spot, sums: readonly V128[], count: V128 | null): void =>
        storeAll(count ? sums.map((sum) => div(sum, count)) : sums, { at: to, channel }, lanes);
      const { rows, columns } = plane;
      const { divisor } = attributes;
      const atEdge = ({ top, left }: Spot): Local<'v128'> | null => splatOf(f, countAt(f, plane, { row: top, column: left }, divisor));
      return {
        run: (spot, windowRows, writes) => {
          const vectors = vectorsOf(spot);
          const addAll = (sums: readonly Local<'v128'>[], taps: readonly Tap[]): void => {
            for (const tap of taps) readTap(spot, tap.cell).forEach((value, vector) => f.set(sums[vector]!, add(sums[vector]!, value)));
          };
          const sumOf = ([first, ...others]: readonly Tap[]): readonly Local<'v128'>[] => {
            const sums = readTap(spot, first!.cell).map((value) => f.let(value));
            addAll(sums, others);
            return sums;
          };
          let sums: readonly Local<'v128'>[] | null = null;
          for (const { from, to, taps } of windowRows) {
            if (sums && from === null && to === null) {
              addAll(sums, taps);
              continue;
            }
            const at = (slot: number, vector: number) => spot.kept(slot, 0, vector);
            const load = (slot: number, vector: number): Local<'v128'> =>
              f.let(f.v128.load(at(slot, vector).address, at(slot, vector).offset));
            const own: readonly Local<'v128'>[] = from === null ? sumOf(taps) : vectors.map((vector) => load(from, vector));
            if (to !== null) own.forEach((sum, vector) => f.v128.store(at(to, vector).address, sum, at(to, vector).offset));
            sums?.forEach((sum, vector) => f.set(sum, add(sum, own[vector]!)));
            sums ??= own;
          }
          const isWhole = windowRows.length === rows.window && windowRows[0]!.taps.length === columns.window;
          if (writes) write(spot, sums!, isWhole ? full : atEdge(spot));
        },
        whole: (spot) => write(spot, [sumCells(spot)], full),
        edge: (spot) => write(spot, [sumCells(spot)], atEdge(spot)),
      };
    });
  },
  { fusion: { epilogue: true, slice: true, load: { 0: 'masked' } } },
);

/** Every cell adds up the windows it is in. Where all have the same divisor, the sum is divided. */
export const averagePoolGradientWasm = wasmKernel(
  averagePoolGradient,
  (site) => {
    const { divisor, inputShape } = site.attributes;
    const plane = planeOf(inputShape, site.inputs[0]!.shape, site.attributes);
    const { rows, columns } = plane;
    const range = (axis: Axis): Range => fullWindows(axis, divisor);
    const operand = { bytes: plane.channels * 4, shift: 0 };
    emitCells(site, [operand], range, ({ f, loadAll, storeAll }) => {
      const { add, mul } = f.f32x4;
      const full = inverseOf(f, fullCount(plane, divisor));
      return ({ place, vectors, lanes, forWindows }) => {
        const sums = vectors.map(() => f.local.v128(0));
        let shared = true;
        forWindows(({ places: [source], row, column, once }) => {
          if (row !== null || column !== null) shared = false;
          const own = (): Local<'v128'> | null => {
            if ((row === null && column === null) || divisor === 'one') return null;
            const [high, wide] = [countOf(f, rows, row, divisor), countOf(f, columns, column, divisor)];
            return inverseOf(f, typeof high === 'number' && typeof wide === 'number' ? high * wide : f.i32.mul(high, wide));
          };
          const dy = once(`dy ${vectors[0]}`, () => {
            const bytes = vectors[0]! * VECTOR_BYTES;
            const read = { at: source!.at, offset: source!.offset + bytes, channel: place.channel, channelOffset: bytes };
            const values = loadAll(0, read, vectors.length);
            const inverse = own();
            return values.map((value) => f.let(inverse ? mul(value, inverse) : value));
          });
          sums.forEach((sum, i) => f.set(sum, add(sum, dy[i]!)));
        });
        storeAll(full && shared ? sums.map((sum) => mul(sum, full)) : sums, place, lanes);
      };
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

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

/**
 * 1 / count in every lane; null for 1. A division takes as long as everything else that a gradient does, and a product with the rounded inverse
 * is off by no more than a unit in the last place.
 */
function inverseOf(f: FunctionBuilder, count: number | I32): Local<'v128'> | null {
  const divisor = splatOf(f, count);
  return divisor && f.let(f.f32x4.div(1, divisor));
}

/** A divisor in every lane; null for 1. */
function splatOf(f: FunctionBuilder, count: number | I32): Local<'v128'> | null {
  if (count === 1) return null;
  return f.let(f.f32x4.splat(typeof count === 'number' ? f.f32.const(count) : f.f32.convertI32S(count)));
}

/** Cells along one axis by which window `window` is divided, those of most windows where it is null. */
function countOf(f: FunctionBuilder, axis: Axis, window: Local<'i32'> | number | null, divisor: 'present' | 'padded'): number | I32 {
  const { size, stride, dilation, before, after } = axis;
  if (window === null) return axis.window;
  if (typeof window !== 'number') return countAlong(f, axis, f.let(f.i32.sub(f.i32.mul(window, stride), before)), divisor);
  const start = window * stride - before;
  const upTo = (end: number): number => Math.min(axis.window, Math.max(0, Math.ceil((end - start) / dilation)));
  return divisor === 'padded' ? upTo(size + after) : upTo(size) - upTo(0);
}

/** What the window whose first cell is there is divided by. */
function countAt(
  f: FunctionBuilder,
  { rows, columns }: Plane,
  start: { readonly row: Local<'i32'>; readonly column: Local<'i32'> },
  divisor: Divisor,
): number | I32 {
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
