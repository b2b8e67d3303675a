import { forLanes, forUnits, loweredKernel, tilesFor, wasmKernel, type Stage } from '@shoal/backend-wasm';
import type { I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { apply1, constant, nhwc, sizeOf, type Op, type Shape, type Value } from '@shoal/core';
import { bilinearCells, upsampleBilinearGradient, upsampleBilinearOp } from '../upsample-bilinear.ts';
import { nearestCell, upsampleNearestGradient, upsampleNearestOp } from '../upsample-nearest.ts';
import { repetition } from './repetition.ts';

/** What one position along an axis of the result adds up: cells along that axis of the source, each times its weight. */
type Terms = readonly { readonly cell: number; readonly weight: number }[];

interface AxisAttributes {
  /** How many terms every position has; null where that differs. */
  readonly count: number | null;
  readonly weighted: boolean;
}

interface ResampleAttributes {
  readonly shape: Shape;
  readonly rows: AxisAttributes;
  readonly columns: AxisAttributes;
  /** Every cell of the source, in whole factors. */
  readonly repeats: boolean;
}

/**
 * A linear map along the rows and another along the columns, of the same kind for all images and channels: every resampling and every
 * gradient of one. Inputs: x [n,h,w,c], and for rows and columns the cells i32 (where each position's terms begin, then the cells of
 * all terms) and, with weights, the weights f32.
 */
const resampleOp: Op<ResampleAttributes> = {
  name: 'residual/wasm-resample',
  infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: () => ({}),
};

/** Reads that one tile does: some ten microseconds. */
const grain = 32768;
/** So many terms along one axis are written out; more are a loop. */
const unrolled = 4;

function resample(x: Value, shape: Shape, rows: readonly Terms[], columns: readonly Terms[], repeats = false): readonly Value[] {
  const [row, column] = [tableOf(rows), tableOf(columns)];
  return [apply1(resampleOp, [x, ...row.tensors, ...column.tensors], { shape, rows: row.attributes, columns: column.attributes, repeats })];
}

function tableOf(terms: readonly Terms[]): { readonly tensors: readonly Value[]; readonly attributes: AxisAttributes } {
  const most = Math.max(...terms.map(({ length }) => length));
  const weighted = terms.flat().some(({ weight }) => weight !== 1);
  const isFew = weighted && most <= unrolled;
  const even = isFew
    ? terms.map((own) => own.concat(Array.from({ length: most - own.length }, () => ({ cell: own[0]?.cell ?? 0, weight: 0 }))))
    : terms;
  let begin = 0;
  const begins = even.map(({ length }) => (begin += length) - length);
  const cells = [...begins, begin, ...even.flat().map(({ cell }) => cell)];
  const weights = even.flat().map(({ weight }) => weight);
  return {
    tensors: [constant(cells, [cells.length], 'i32'), ...(weighted ? [constant(weights, [weights.length])] : [])],
    attributes: { count: even.every(({ length }) => length === most) ? most : null, weighted },
  };
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** What each of `length` cells gives, from what each result takes; a cell twice in a result counts once, and no weight is no term. */
function transposed(terms: readonly Terms[], length: number): readonly Terms[] {
  const found = range(length).map(() => new Map<number, number>());
  terms.forEach((own, result) => own.forEach(({ cell, weight }) => found[cell]!.set(result, (found[cell]!.get(result) ?? 0) + weight)));
  return found.map((own) => [...own].filter(([, weight]) => weight !== 0).map(([cell, weight]) => ({ cell, weight })));
}

const nearest = (mode: 'floor' | 'exact', length: number, size: number): readonly Terms[] =>
  range(size).map((j) => [{ cell: nearestCell(mode, j, length, size), weight: 1 }]);

const bilinear = (alignCorners: boolean, length: number, size: number): readonly Terms[] =>
  range(size).map((j) => {
    const { low, high, weight } = bilinearCells(alignCorners, j, length, size);
    return [
      { cell: low, weight: 1 - weight },
      { cell: high, weight },
    ];
  });

export const upsampleNearestWasm = loweredKernel(upsampleNearestOp, ([x], { output: { height, width }, mode }) => {
  const [n, h, w, c] = nhwc(upsampleNearestOp.name, x!.shape);
  const repeats = height % h === 0 && width % w === 0;
  return resample(x!, [n, height, width, c], nearest(mode, h, height), nearest(mode, w, width), repeats);
});

export const upsampleNearestGradientWasm = loweredKernel(
  upsampleNearestGradient,
  ([dy], { output: { height, width }, mode, inputShape }) => {
    const [, h, w] = nhwc(upsampleNearestGradient.name, inputShape);
    return resample(dy!, inputShape, transposed(nearest(mode, h, height), h), transposed(nearest(mode, w, width), w));
  },
);

export const upsampleBilinearWasm = loweredKernel(upsampleBilinearOp, ([x], { output: { height, width }, alignCorners }) => {
  const [n, h, w, c] = nhwc(upsampleBilinearOp.name, x!.shape);
  return resample(x!, [n, height, width, c], bilinear(alignCorners, h, height), bilinear(alignCorners, w, width));
});

export const upsampleBilinearGradientWasm = loweredKernel(
  upsampleBilinearGradient,
  ([dy], { output: { height, width }, alignCorners, inputShape }) => {
    const [, h, w] = nhwc(upsampleBilinearGradient.name, inputShape);
    return resample(dy!, inputShape, transposed(bilinear(alignCorners, h, height), h), transposed(bilinear(alignCorners, w, width), w));
  },
);

/** The terms of one position: their source cells as byte offsets, and their weights in every lane. */
interface Located {
  readonly count: number | null;
  /** Runs the body for each term: once written out for each, or as a loop. */
  readonly forTerms: (body: (offset: Local<'i32'>, weight: V128 | null) => void) => void;
}

/** The terms of `position` along an axis with `size` positions. */
function locate(
  { f, input }: Stage,
  { count, weighted }: AxisAttributes,
  first: number,
  size: number,
  position: Local<'i32'>,
  cellBytes: number,
): Located {
  const { i32, v128 } = f;
  const [cells, weights] = [input(first), weighted ? input(first + 1) : null];
  const offsetOf = (term: I32, i = 0): Local<'i32'> => f.let(i32.mul(i32.load(i32.add(cells, term), (size + 1 + i) * 4), cellBytes));
  const weightOf = (term: I32, i = 0): V128 | null => weights && v128.load32Splat(i32.add(weights, term), i * 4);
  if (count !== null && count <= unrolled) {
    const from = f.let(i32.mul(position, count * 4));
    const terms = range(count).map((i) => {
      const weight = weightOf(from, i);
      return { offset: offsetOf(from, i), weight: weight && f.let(weight) };
    });
    return { count, forTerms: (body) => terms.forEach(({ offset, weight }) => body(offset, weight)) };
  }
  const begin = f.let(i32.add(cells, i32.shl(position, 2)));
  const bound = (offset: number): Local<'i32'> => f.let(i32.shl(i32.load(begin, offset), 2));
  const [from, to] = [bound(0), bound(4)];
  return {
    count: null,
    forTerms: (body) => {
      const term = f.local.i32();
      f.for(term, from, to, 4, () => body(offsetOf(term), weightOf(term)));
    },
  };
}

export const resampleWasm = wasmKernel(
  resampleOp,
  ({ inputs, outputs, attributes: { rows, columns }, stage: addStage }) => {
    const [, h, w] = nhwc(resampleOp.name, inputs[0]!.shape);
    const [n, height, width, c] = nhwc(resampleOp.name, outputs[0]!.shape);
    const firstOfColumns = rows.weighted ? 3 : 2;
    const reads = width * c * Math.ceil(((h * w) / Math.max(1, height * width)) * (rows.weighted ? 4 : 1) + 1);
    const { tiles, perTile } = tilesFor(n * height, reads, grain);
    addStage({ tiles: sizeOf(outputs[0]!.shape) === 0 ? 0 : tiles }, (stage) => {
      const { f } = stage;
      const { i32, f32x4 } = f;
      forUnits(stage, n * height, perTile, (line) => {
        const plane = f.let(i32.mul(i32.divU(line, height), h * w * c * 4));
        const vertical = locate(stage, rows, 1, height, f.let(i32.remU(line, height)), w * c * 4);
        const column = f.local.i32();
        f.for(column, 0, width, 1, () => {
          const horizontal = locate(stage, columns, firstOfColumns, width, column, c * 4);
          const to = f.let(i32.mul(i32.add(i32.mul(line, width), column), c * 4));
          forLanes(f, c, (channel, lanes) => {
            const place = { at: f.let(i32.add(to, channel)), channel };
            const read = (row: Local<'i32'>, cell: Local<'i32'>): V128 =>
              stage.load(0, { at: i32.add(i32.add(plane, row), i32.add(cell, channel)), channel });
            stage.store(
              sum(vertical, (row) => sum(horizontal, (cell) => read(row, cell))),
              place,
              lanes,
            );
          });
        });
      });
      /** The terms' values times their weights, in order. */
      function sum({ count, forTerms }: Located, valueOf: (offset: Local<'i32'>) => V128): V128 {
        if (count === 1) {
          let only: V128 = f32x4.splat(0);
          forTerms((offset, weight) => (only = weight ? f32x4.mul(valueOf(offset), weight) : valueOf(offset)));
          return only;
        }
        const total = f.local.v128(0);
        forTerms((offset, weight) => {
          const value = valueOf(offset);
          f.set(total, weight ? f32x4.madd(value, weight, total) : f32x4.add(total, value));
        });
        return total;
      }
    });
  },
  { fusion: { epilogue: true, slice: true }, repeats: ({ attributes }) => attributes.repeats, repetition },
);
