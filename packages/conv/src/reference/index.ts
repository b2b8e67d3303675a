import type { KernelsOf } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import type * as ops from '../ops.ts';
import { conv2dGradientInputReference, conv2dGradientWeightReference, conv2dReference } from './conv2d.ts';

/** The convolutions, written out in float64. */
export const convReference = {
  conv2dOp: conv2dReference,
  conv2dGradientInput: conv2dGradientInputReference,
  conv2dGradientWeight: conv2dGradientWeightReference,
} satisfies KernelsOf<typeof ops, ReferenceKernel>;
