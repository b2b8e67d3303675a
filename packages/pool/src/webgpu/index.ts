import type { WebgpuKernel } from '@shoal/backend-webgpu';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { averagePool, averagePoolGradient } from './average-pool.ts';
import { maxPool, maxPoolGather, maxPoolGradient } from './max-pool.ts';
import { maxUnpool, maxUnpoolGradient } from './max-unpool.ts';

/** Pooling on WebGPU. */
export const poolWebgpu = {
  averagePool,
  averagePoolGradient,
  maxPool,
  maxPoolGather,
  maxPoolGradient,
  maxUnpool,
  maxUnpoolGradient,
} satisfies KernelsOf<typeof ops, WebgpuKernel>;
