import type { CudaKernel } from '@shoal/backend-cuda';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { averagePool, averagePoolGradient } from './average-pool.ts';
import { maxPool, maxPoolGather, maxPoolGradient } from './max-pool.ts';
import { maxUnpool, maxUnpoolGradient } from './max-unpool.ts';

/** Pooling in CUDA C. */
export const poolCuda = {
  averagePool,
  averagePoolGradient,
  maxPool,
  maxPoolGather,
  maxPoolGradient,
  maxUnpool,
  maxUnpoolGradient,
} satisfies KernelsOf<typeof ops, CudaKernel>;
