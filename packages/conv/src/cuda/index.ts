import type { CudaKernel } from '@shoal/backend-cuda';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { conv2d } from './conv2d.ts';
import { conv2dGradientInput } from './gradient-input.ts';
import { conv2dGradientWeight } from './gradient-weight.ts';
import { libraryConvolutionCuda } from './library.ts';

/** The convolutions in CUDA C, and in cuDNN's words where the device has it. */
export const convCuda = {
  conv2dOp: conv2d,
  conv2dGradientInput,
  conv2dGradientWeight,
  libraryConvolution: libraryConvolutionCuda({ forward: conv2d, gradientInput: conv2dGradientInput, gradientWeight: conv2dGradientWeight }),
} satisfies KernelsOf<typeof ops, CudaKernel> & Record<string, CudaKernel>;
