import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { batchNormGradientWasm } from './batch-norm-gradient.ts';
import { batchNormOfMomentsWasm, batchNormWasm } from './batch-norm.ts';
import {
  resampleWasm,
  upsampleBilinearGradientWasm,
  upsampleBilinearWasm,
  upsampleNearestGradientWasm,
  upsampleNearestWasm,
} from './resample.ts';

/** Normalisation and resampling on the CPU. Pass it to `createRuntime(wasm(), [residualWasm])`. */
export const residualWasm = {
  batchNormOp: batchNormWasm,
  batchNormOfMoments: batchNormOfMomentsWasm,
  batchNormGradient: batchNormGradientWasm,
  upsampleNearestOp: upsampleNearestWasm,
  upsampleNearestGradient: upsampleNearestGradientWasm,
  upsampleBilinearOp: upsampleBilinearWasm,
  upsampleBilinearGradient: upsampleBilinearGradientWasm,
  resampleOp: resampleWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
