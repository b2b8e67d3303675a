import { place, take, tapsAlong, tfjsKernel, type Tap, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import { nhwc, type Window2d } from '@shoal/core';
import { maxPool as op } from '../max-pool.ts';
import { axisOf, positions, ramp, type Side } from './along.ts';
import { planeFits } from './winners.ts';

interface Best {
  readonly value: Tensor;
  /** The column that won, or the cell. */
  readonly at: Tensor;
}

/**
 * The best of each window along one side: a later cell wins only if it is larger, or the first NaN, and padding never does.
 *
 * @param candidate where the cell that a tap reads is, given its coordinate along the side
 */
function bestAlong(
  tf: Tensorflow,
  x: Tensor,
  side: Side,
  output: number,
  attributes: Window2d,
  candidate: (tap: Tap, coordinate: Tensor) => Tensor,
): Best {
  const axis = axisOf(side);
  const taps = tapsAlong(side, x.shape[axis]!, output, attributes);
  const seen = Array.from({ length: output }, () => false);
  let best: Best | null = null;
  for (const tap of taps) {
    const whole = (part: Tensor): Tensor => place(tf, part, axis, positions(tap), output);
    const coordinate = ramp(
      tf,
      Array.from({ length: tap.count }, (_, i) => tap.start + i * tap.stride),
      axis,
    );
    const next: Best = { value: whole(take(tf, x, axis, tap)), at: whole(candidate(tap, coordinate)) };
    const inside = seen.map((_, position) => position >= tap.first && position < tap.first + tap.count);
    best =
      best === null
        ? next
        : better(
            tf,
            best,
            next,
            inside,
            inside.map((here, i) => here && !seen[i]),
            axis,
          );
    inside.forEach((here, i) => (seen[i] ||= here));
  }
  return best!;
}

/** Position by position: `next` where it is `inside` and beats `best`, or is the `first` cell of the window. */
function better(tf: Tensorflow, best: Best, next: Best, inside: readonly boolean[], first: readonly boolean[], axis: number): Best {
  const mask = (flags: readonly boolean[]): Tensor => tf.greater(ramp(tf, flags.map(Number), axis), 0);
  // Not "at most" holds of larger numbers and of NaN; a NaN that has won stays.
  let wins = tf.logicalAnd(tf.logicalNot(tf.lessEqual(next.value, best.value)), tf.equal(best.value, best.value));
  if (!inside.every(Boolean)) wins = tf.logicalAnd(wins, mask(inside));
  if (first.some(Boolean)) wins = tf.logicalOr(wins, mask(first));
  return { value: tf.where(wins, next.value, best.value), at: tf.where(wins, next.at, best.at) };
}

/** Along the width, then along the height: the first row that has the maximum, at its first column. */
export const maxPool = tfjsKernel(
  op,
  ({ tf, inputs: [x], outputs: [y], attributes }) => {
    const [, oh, ow] = nhwc(op.name, y!.shape);
    const [n, height, width, c] = nhwc(op.name, x!.shape);
    const across = bestAlong(tf, x!, 'width', ow, attributes, (tap, column) => tf.broadcastTo(column, [n, height, tap.count, c]));
    const down = bestAlong(tf, across.value, 'height', oh, attributes, (tap, row) =>
      tf.add(tf.mul(row, width), take(tf, across.at, 1, tap)),
    );
    return [down.value, tf.cast(down.at, 'int32')];
  },
  { supports: ({ inputs: [x] }) => planeFits(x!.shape) },
);
