import type { CudaKernel } from '@shoal/backend-cuda';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { matmul } from './matmul.ts';

/** Matrix multiplication in CUDA C. */
export const mathCuda = { matmulOp: matmul } satisfies KernelsOf<typeof ops, CudaKernel>;
