import { reduceOp } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import { tfjsKernel, unlessInteger } from '../kernel.ts';
import { select } from '../shaping.ts';
import { filled, upload } from '../transfer.ts';
import { sumOver } from './sum.ts';

/**
 * Sums, maxima and minima over whole axes. Where the engine sums in float32, one term after the other, its sums of some ten thousand
 * terms have three digits left: they are done on the host.
 */
export const reduceTfjs = unlessInteger(
  tfjsKernel(
    reduceOp,
    ({ tf, engine, inputs: [x], host: [data], outputs: [y], attributes: { kind, axes } }) => {
      if (x!.size === 0) return [filled(tf, y!, 0)];
      if (kind === 'sum') return [data ? upload(tf, y!, sumOver(data, x!.shape, axes)) : tf.sum(x!, [...axes])];
      const extremum = kind === 'max' ? tf.max(x!, [...axes]) : tf.min(x!, [...axes]);
      if (engine.reductionsKeepNaN) return [extremum];
      // 0 where all are numbers, NaN where one is not.
      const notNumbers = tf.sum(select(tf, tf.equal(x!, x!), tf.scalar(0), x!), [...axes]);
      return [tf.add(extremum, notNumbers)];
    },
    { reads: ({ attributes: { kind } }, { sumsInDouble }) => (kind === 'sum' && !sumsInDouble ? [0] : []) },
  ),
  structuralReference.reduceOp,
);
