import type { CudaKernel } from '@shoal/backend-cuda';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { conv2d } from './conv2d.ts';
import { conv2dGradientInput } from './gradient-input.ts';
import { conv2dGradientWeight } from './gradient-weight.ts';

/** The convolutions in CUDA C. */
export const convCuda = {
  conv2dOp: conv2d,
  conv2dGradientInput,
  conv2dGradientWeight,
} satisfies KernelsOf<typeof ops, CudaKernel>;
