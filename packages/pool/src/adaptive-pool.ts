import { apply, apply1, checkOptions, concat, expression as e, map, size2d, slice, type Size2dOption, type Value } from '@shoal/core';
import { averagePool } from './average-pool.ts';
import { maxPool, maxPoolGather, type MaxPooled } from './max-pool.ts';
import { noPadding, planeOf, type PoolAttributes } from './window.ts';

export interface AdaptivePoolOptions {
  /** Height and width of the result. */
  readonly output: Size2dOption;
}

/**
 * Average pooling to a given size: `x` f32 [n, h, w, c] -> [n, oh, ow, c]. Window i along an axis is
 * [floor(i * h / oh), ceil((i + 1) * h / oh)), as in spatial pyramid pooling (He et al., ECCV 2014) and PyTorch; windows may overlap.
 *
 * A composition: windows of equal size and spacing are one pooling; where a plane has several kinds they are pooled run by run,
 * first along rows, then along columns.
 *
 * @throws ShapeError when `x` is not NHWC, its planes are empty or `output` is not positive; ShoalError `ATTRIBUTE` for an unknown
 *   option, `DTYPE` when `x` is not f32
 */
export function adaptiveAveragePool2d(x: Value, options: AdaptivePoolOptions): Value {
  const { rows, columns } = runsOf('pool/adaptive-average', x, options);
  const mean = (part: Value, row: Windows, column: Windows): Value =>
    apply1(averagePool, [part], { ...windowOf(row, column), divisor: 'present' });
  if (rows.length === 1 && columns.length === 1) return mean(x, rows[0]!, columns[0]!);
  const narrowed = concat(
    columns.map((run) => mean(cut(x, 2, run), single, run)),
    2,
  );
  return concat(
    rows.map((run) => mean(cut(narrowed, 1, run), run, single)),
    1,
  );
}

/** Max pooling to a given size, with windows and errors as in {@link adaptiveAveragePool2d}; ties and NaN as in `pool/max`. */
export function adaptiveMaxPool2d(x: Value, options: AdaptivePoolOptions): Value {
  return adaptiveMaxPool2dWithWinner(x, options).output;
}

/** {@link adaptiveMaxPool2d}, with the cell that won each window: i32 [n, oh, ow, c], `row * w + column`. */
export function adaptiveMaxPool2dWithWinner(x: Value, options: AdaptivePoolOptions): MaxPooled {
  const { rows, columns, width } = runsOf('pool/adaptive-max', x, options);
  const best = (part: Value, row: Windows, column: Windows) => {
    const attributes = windowOf(row, column);
    const [output, winner] = apply(maxPool, [part], attributes);
    return { output: output!, winner: winner!, attributes: { ...attributes, inputShape: part.shape } };
  };
  if (rows.length === 1 && columns.length === 1) return best(x, rows[0]!, columns[0]!);
  // The first maximum of each row, then the first row that has the maximum: together the first in row-major order.
  const ofRows = columns.map((run) => {
    const { output, winner } = best(cut(x, 2, run), single, run);
    // From the part's plane, `span` wide, to that of x.
    return { output, winner: map([winner], (at) => e.add(at, e.add(e.mul(e.coordinate(1), width - run.span), run.start))) };
  });
  const narrowed = join(ofRows, 2);
  return join(
    rows.map((run) => {
      const { output, winner, attributes } = best(cut(narrowed.output, 1, run), run, single);
      return { output, winner: apply1(maxPoolGather, [cut(narrowed.winner, 1, run), winner], attributes) };
    }),
    1,
  );
}

/** Windows along an axis: the size of each, and the step from one to the next. */
interface Windows {
  readonly size: number;
  readonly step: number;
}

/** Consecutive equal windows; the first begins at `start`, and `span` cells hold them all. */
interface Run extends Windows {
  readonly start: number;
  readonly span: number;
}

const single: Windows = { size: 1, step: 1 };

function runsOf(
  op: string,
  x: Value,
  options: AdaptivePoolOptions,
): { readonly rows: readonly Run[]; readonly columns: readonly Run[]; readonly width: number } {
  checkOptions(op, options, ['output']);
  const plane = planeOf(op, x);
  const output = size2d(op, 'output', options.output);
  return { rows: runsAlong(plane.height, output.height), columns: runsAlong(plane.width, output.width), width: plane.width };
}

function runsAlong(inputs: number, outputs: number): readonly Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < outputs; i++) {
    const start = Math.floor((i * inputs) / outputs);
    const size = Math.ceil(((i + 1) * inputs) / outputs) - start;
    const last = runs.at(-1);
    const step = last ? start + size - last.start - last.span : 0;
    const fits = last?.size === size && step > 0 && (last.span === size || last.step === step);
    if (last && fits) runs[runs.length - 1] = { ...last, step, span: last.span + step };
    else runs.push({ start, span: size, size, step: 1 });
  }
  return runs;
}

function windowOf(row: Windows, column: Windows): PoolAttributes {
  return {
    window: { height: row.size, width: column.size },
    stride: { height: row.step, width: column.step },
    dilation: { height: 1, width: 1 },
    padding: noPadding,
    ceilMode: false,
  };
}

/** The cells of a run along an axis. */
function cut(x: Value, axis: number, { start, span }: Run): Value {
  if (span === x.shape[axis]) return x;
  return slice(x, { start: x.shape.map((_, i) => (i === axis ? start : 0)), size: x.shape.map((n, i) => (i === axis ? span : n)) });
}

function join(parts: readonly MaxPooled[], axis: number): MaxPooled {
  const [outputs, winners] = [parts.map(({ output }) => output), parts.map(({ winner }) => winner)];
  return { output: concat(outputs, axis), winner: concat(winners, axis) };
}
