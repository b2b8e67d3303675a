import { checkOptions, expression as e, map, reduce, sizeOf, type Value } from '@shoal/core';
import { resolveAxis } from './axes.ts';

export interface ReductionOptions {
  /** Axes to reduce; negative ones count from the end. Default: all. */
  readonly axes?: readonly number[];
  /** Leaves the reduced axes with size 1. Default false. */
  readonly keep?: boolean;
}

function reduced(op: string, x: Value, options: ReductionOptions): Value {
  checkOptions(op, options, ['axes', 'keep']);
  const axes = options.axes?.map((axis) => resolveAxis(op, x, axis));
  return reduce(x, { kind: 'sum', ...(axes ? { axes } : {}), keep: options.keep ?? false });
}

/** The sum over axes; of nothing it is 0. */
export function sum(x: Value, options: ReductionOptions = {}): Value {
  return reduced('math/sum', x, options);
}

/** The mean over axes; of nothing it is NaN. */
export function mean(x: Value, options: ReductionOptions = {}): Value {
  const total = reduced('math/mean', x, options);
  const count = sizeOf(x.shape) / sizeOf(total.shape);
  return map([total], (a) => e.div(a, count));
}
