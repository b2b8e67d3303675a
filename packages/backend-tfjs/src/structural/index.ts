import { fillOp, stopGradientOp, type KernelsOf } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import type * as ops from '@shoal/core';
import { hostKernel, tfjsKernel, type TfjsKernel } from '../kernel.ts';
import { filled } from '../transfer.ts';
import { mapTfjs } from './map.ts';
import { concatTfjs, padTfjs, reshapeTfjs, sliceTfjs, transposeTfjs } from './movement.ts';
import { reduceTfjs } from './reduce.ts';

/** The structural ops in ops of TensorFlow.js. */
export const structuralTfjs = {
  mapOp: mapTfjs,
  reduceOp: reduceTfjs,
  fillOp: tfjsKernel(fillOp, ({ tf, outputs: [y], attributes: { value } }) => [filled(tf, y!, value)], { rank: () => 0 }),
  // TensorFlow.js has neither u32 nor the high half of a product, which Philox needs.
  randomOp: hostKernel(structuralReference.randomOp),
  reshapeOp: reshapeTfjs,
  stopGradientOp: tfjsKernel(stopGradientOp, ({ inputs }) => inputs),
  transposeOp: transposeTfjs,
  sliceOp: sliceTfjs,
  padOp: padTfjs,
  concatOp: concatTfjs,
} satisfies KernelsOf<typeof ops, TfjsKernel>;
