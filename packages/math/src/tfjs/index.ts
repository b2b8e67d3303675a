import type { TfjsKernel } from '@shoal/backend-tfjs';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { matmulTfjs } from './matmul.ts';

/** The ops of this package on TensorFlow.js. Pass it to `createRuntime(tfjs(tf), [mathTfjs])`. */
export const mathTfjs = { matmulOp: matmulTfjs } satisfies KernelsOf<typeof ops, TfjsKernel>;
