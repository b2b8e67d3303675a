import type { TfjsKernel } from '@shoal/backend-tfjs';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { conv2dGradientInputTfjs, conv2dGradientWeightTfjs, conv2dTfjs } from './conv2d.ts';

/** The convolutions on TensorFlow.js. Pass it to `createRuntime(tfjs(tf), [convTfjs])`. */
export const convTfjs = {
  conv2dOp: conv2dTfjs,
  conv2dGradientInput: conv2dGradientInputTfjs,
  conv2dGradientWeight: conv2dGradientWeightTfjs,
} satisfies KernelsOf<typeof ops, TfjsKernel>;
