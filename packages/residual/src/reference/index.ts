import type { KernelsOf } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import type * as ops from '../ops.ts';
import { batchNormGradientReference, batchNormReference } from './batch-norm.ts';
import {
  upsampleBilinearGradientReference,
  upsampleBilinearReference,
  upsampleNearestGradientReference,
  upsampleNearestReference,
} from './upsample.ts';

/** The ops of this package, written out. */
export const residualReference = {
  batchNormOp: batchNormReference,
  batchNormGradient: batchNormGradientReference,
  upsampleNearestOp: upsampleNearestReference,
  upsampleNearestGradient: upsampleNearestGradientReference,
  upsampleBilinearOp: upsampleBilinearReference,
  upsampleBilinearGradient: upsampleBilinearGradientReference,
} satisfies KernelsOf<typeof ops, ReferenceKernel>;
