import { checkOptions, expression as e, map, reduce, stopGradient, type Value } from '@shoal/core';
import { resolveAxis } from './axes.ts';

export interface SoftmaxOptions {
  /** The axis that sums to 1; default the last. */
  readonly axis?: number;
}

function resolve(op: string, x: Value, options: SoftmaxOptions): number {
  checkOptions(op, options, ['axis']);
  return resolveAxis(op, x, options.axis ?? -1);
}

/** The largest element along the axis. Subtracting it changes nothing but the range, so it is a constant to differentiation. */
const largest = (x: Value, axis: number): Value => stopGradient(reduce(x, { kind: 'max', axes: [axis], keep: true }));

/** exp(x) / sum(exp(x)) along one axis, the largest element subtracted first so that nothing overflows. Shape as `x`. */
export function softmax(x: Value, options: SoftmaxOptions = {}): Value {
  const axis = resolve('math/softmax', x, options);
  const powers = map([x, largest(x, axis)], (a, most) => e.exp(e.sub(a, most)));
  return map([powers, reduce(powers, { kind: 'sum', axes: [axis], keep: true })], (a, total) => e.div(a, total));
}

/** log(softmax(x)) along one axis as x - log(sum(exp(x))), exact where softmax itself underflows. Shape as `x`. */
export function logSoftmax(x: Value, options: SoftmaxOptions = {}): Value {
  const axis = resolve('math/log-softmax', x, options);
  const most = largest(x, axis);
  const total = reduce(
    map([x, most], (a, m) => e.exp(e.sub(a, m))),
    { kind: 'sum', axes: [axis], keep: true },
  );
  return map([x, most, total], (a, m, t) => e.sub(e.sub(a, m), e.log(t)));
}
