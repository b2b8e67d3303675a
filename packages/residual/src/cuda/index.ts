import type { CudaKernel } from '@shoal/backend-cuda';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { batchNorm, batchNormGradient } from './batch-norm.ts';
import { upsampleBilinear, upsampleBilinearGradient, upsampleNearest, upsampleNearestGradient } from './upsample.ts';

/** Normalisation and upsampling in CUDA C. */
export const residualCuda = {
  batchNormOp: batchNorm,
  batchNormGradient,
  upsampleNearestOp: upsampleNearest,
  upsampleNearestGradient,
  upsampleBilinearOp: upsampleBilinear,
  upsampleBilinearGradient,
} satisfies KernelsOf<typeof ops, CudaKernel>;
