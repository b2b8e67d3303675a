import type { WebgpuKernel } from '@shoal/backend-webgpu';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { conv2d } from './conv2d.ts';
import { conv2dGradientInput } from './gradient-input.ts';
import { conv2dGradientWeight } from './gradient-weight.ts';
import { winogradConvolutionWebgpu } from './winograd/convolution.ts';
import { winogradWeightWebgpu } from './winograd/weight.ts';

/** The convolutions on WebGPU. */
export const convWebgpu = {
  conv2dOp: conv2d,
  conv2dGradientInput,
  conv2dGradientWeight,
  winogradConvolution: winogradConvolutionWebgpu,
  winogradWeight: winogradWeightWebgpu,
} satisfies KernelsOf<typeof ops, WebgpuKernel> & Record<string, WebgpuKernel>;
