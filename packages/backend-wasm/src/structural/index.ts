import { concatWasm } from './concat.ts';
import { fillWasm } from './fill.ts';
import { mapWasm } from './map.ts';
import { padWasm } from './pad.ts';
import { randomWasm } from './random.ts';
import { reduceWasm } from './reduce.ts';
import { reshapeWasm, stopGradientWasm } from './reshape.ts';
import { sliceWasm } from './slice.ts';
import { transposeWasm } from './transpose.ts';

/** Kernels for the structural ops of core. */
export const structuralWasm = {
  mapOp: mapWasm,
  reduceOp: reduceWasm,
  fillOp: fillWasm,
  randomOp: randomWasm,
  reshapeOp: reshapeWasm,
  stopGradientOp: stopGradientWasm,
  transposeOp: transposeWasm,
  sliceOp: sliceWasm,
  padOp: padWasm,
  concatOp: concatWasm,
};
