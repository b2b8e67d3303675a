import { reduceOp, type Shape } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import type { Tensor } from '../engine.ts';
import { tfjsKernel, unlessInteger } from '../kernel.ts';
import { joinAxes, select } from '../shaping.ts';
import { filled, upload } from '../transfer.ts';
import { sumOver } from './sum.ts';

/** The sizes and the axes to reduce of the same tensor with fewer axes. */
function joined(shape: Shape, axes: readonly number[]): { readonly shape: readonly number[]; readonly axes: readonly number[] } {
  const kept = joinAxes(shape, [shape.map((size, axis) => (axes.includes(axis) ? 1 : size))]);
  return { shape: kept.shape, axes: kept.shape.flatMap((_, axis) => (kept.own[0]![axis] === 1 ? [axis] : [])) };
}

/**
 * Sums, maxima and minima over whole axes. Where the engine sums in float32, one term after the other, its sums of some ten thousand
 * terms have three digits left: they are done on the host.
 */
export const reduceTfjs = unlessInteger(
  tfjsKernel(
    reduceOp,
    ({ tf, engine, inputs: [x], host: [data], outputs: [y], attributes: { kind, axes } }) => {
      if (x!.size === 0) return [filled(tf, y!, 0)];
      if (kind === 'sum' && data) return [upload(tf, y!, sumOver(data, x!.shape, axes))];
      const fewer = joined(x!.shape, axes);
      const [terms, over] = [tf.reshape(x!, [...fewer.shape]), [...fewer.axes]];
      if (kind === 'sum') return [tf.reshape(tf.sum(terms, over), [...y!.shape])];
      const extremum = kind === 'max' ? tf.max(terms, over) : tf.min(terms, over);
      // Where the engine loses NaNs: 0 where all are numbers, NaN where one is not.
      const strict = (): Tensor => tf.add(extremum, tf.sum(select(tf, tf.equal(terms, terms), tf.scalar(0), terms), over));
      return [tf.reshape(engine.reductionsKeepNaN ? extremum : strict(), [...y!.shape])];
    },
    {
      reads: ({ attributes: { kind } }, { sumsInDouble }) => (kind === 'sum' && !sumsInDouble ? [0] : []),
      rank: ({ inputs: [x], attributes: { axes } }) => joined(x!.shape, axes).shape.length,
    },
  ),
  structuralReference.reduceOp,
);
