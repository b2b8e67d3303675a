import { mapKernel } from './map.ts';
import { concatKernel, fillKernel, padKernel, reshapeKernel, sliceKernel, stopGradientKernel, transposeKernel } from './move.ts';
import { randomKernel } from './random.ts';
import { reduceKernel } from './reduce.ts';

/** Kernels for the structural ops of core. */
export const structuralCuda = {
  mapOp: mapKernel,
  reduceOp: reduceKernel,
  fillOp: fillKernel,
  randomOp: randomKernel,
  reshapeOp: reshapeKernel,
  stopGradientOp: stopGradientKernel,
  transposeOp: transposeKernel,
  sliceOp: sliceKernel,
  padOp: padKernel,
  concatOp: concatKernel,
};
