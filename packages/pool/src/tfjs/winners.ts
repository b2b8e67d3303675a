import { accumulate, place, take, tapsAlong, tfjsKernel, unlessInteger, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import { nhwc, supported, unsupported, type Shape, type Support } from '@shoal/core';
import { maxPoolGather as gather, maxPoolGradient as gradient } from '../max-pool.ts';
import { maxPoolGather as gatherReference } from '../reference/max-pool.ts';
import type { PoolGradientAttributes } from '../window.ts';
import { positions, ramp } from './along.ts';

/** Winners are compared as float32, in which cells can be numbered up to here. */
const largestPlane = 2 ** 24;

export function planeFits(shape: Shape): Support {
  const [, height, width] = nhwc('pool/max', shape);
  const reason = `a plane of ${height}x${width} cells: on TensorFlow.js winners are compared in float32, up to ${largestPlane} cells`;
  return height * width <= largestPlane ? supported : unsupported(reason);
}

/** Some cells of the plane beside some windows, of which each may have won each: cells and windows broadcast to one shape. */
interface Meeting {
  /** The numbers of the cells, over all images and channels. */
  readonly cells: Tensor;
  /** What there is of a plane [n, h, w, c] at those cells, and the adjoint. */
  readonly readPlane: (x: Tensor) => Tensor;
  readonly writePlane: (part: Tensor) => Tensor;
  /** What there is of [n, oh, ow, c] at those windows, and the adjoint. */
  readonly readWindows: (y: Tensor) => Tensor;
  readonly writeWindows: (part: Tensor) => Tensor;
}

const range = (count: number, at: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => at(i));
const cellNumbers = (tf: Tensorflow, rows: readonly number[], columns: readonly number[], width: number): Tensor =>
  tf.add(tf.mul(ramp(tf, rows, 1), width), ramp(tf, columns, 2));

/** Every pair of a cell and a window that holds it: cell by cell of the window, or window by window where there are fewer of those. */
function meetings(tf: Tensorflow, pooled: Shape, attributes: PoolGradientAttributes): readonly (() => Meeting)[] {
  const [, height, width] = nhwc('pool/max', attributes.inputShape);
  const [, oh, ow] = nhwc('pool/max', pooled);
  const { window } = attributes;
  if (oh * ow < window.height * window.width) {
    return range(oh * ow, (i) => i).map((i) => () => {
      const [row, column] = [
        { start: Math.floor(i / ow), count: 1, stride: 1 },
        { start: i % ow, count: 1, stride: 1 },
      ];
      return {
        cells: cellNumbers(
          tf,
          range(height, (h) => h),
          range(width, (w) => w),
          width,
        ),
        readPlane: (x) => x,
        writePlane: (part) => part,
        readWindows: (y) => take(tf, take(tf, y, 1, row), 2, column),
        // One cell at most has won, so the sum is exact.
        writeWindows: (part) => place(tf, place(tf, tf.sum(part, [1, 2], true), 2, column, ow), 1, row, oh),
      };
    });
  }
  const across = tapsAlong('width', width, ow, attributes);
  return tapsAlong('height', height, oh, attributes).flatMap((rows) =>
    across.map((columns) => () => {
      const [rowAt, columnAt] = [positions(rows), positions(columns)];
      return {
        cells: cellNumbers(
          tf,
          range(rows.count, (i) => rows.start + i * rows.stride),
          range(columns.count, (i) => columns.start + i * columns.stride),
          width,
        ),
        readPlane: (x) => take(tf, take(tf, x, 1, rows), 2, columns),
        writePlane: (part) => place(tf, place(tf, part, 2, columns, width), 1, rows, height),
        readWindows: (y) => take(tf, take(tf, y, 1, rowAt), 2, columnAt),
        writeWindows: (part) => place(tf, place(tf, part, 2, columnAt, ow), 1, rowAt, oh),
      };
    }),
  );
}

/** Compares winners with cells, never the values: engines' own gradients look for the maximum again, and break ties each in its way. */
export const maxPoolGradient = tfjsKernel(
  gradient,
  ({ tf, inputs: [dy, winner], outputs: [dx], attributes }) => {
    const winners = tf.cast(winner!, 'float32');
    return [
      accumulate(tf, meetings(tf, dy!.shape, attributes), dx!.shape, (meeting) => {
        const { cells, readWindows, writePlane } = meeting();
        return writePlane(tf.where(tf.equal(cells, readWindows(winners)), readWindows(dy!), 0));
      }),
    ];
  },
  { supports: ({ attributes }) => planeFits(attributes.inputShape) },
);

/** The same comparison, the other way; of integers, on the host. */
export const maxPoolGather = unlessInteger(
  tfjsKernel(
    gather,
    ({ tf, inputs: [x, winner], outputs: [y], attributes }) => {
      const winners = tf.cast(winner!, 'float32');
      return [
        accumulate(tf, meetings(tf, y!.shape, attributes), y!.shape, (meeting) => {
          const { cells, readPlane, readWindows, writeWindows } = meeting();
          return writeWindows(tf.where(tf.equal(cells, readWindows(winners)), readPlane(x!), 0));
        }),
      ];
    },
    { supports: ({ attributes }) => planeFits(attributes.inputShape) },
  ),
  gatherReference,
  (input) => input === 0,
);
