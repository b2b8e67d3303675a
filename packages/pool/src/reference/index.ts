import type { KernelsOf } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import type * as ops from '../ops.ts';
import { averagePool, averagePoolGradient } from './average-pool.ts';
import { maxPool, maxPoolGather, maxPoolGradient } from './max-pool.ts';
import { maxUnpool, maxUnpoolGradient } from './max-unpool.ts';

/** The definitions of this package's ops, for `createRuntime(reference(), [poolReference])`. */
export const poolReference = {
  averagePool,
  averagePoolGradient,
  maxPool,
  maxPoolGather,
  maxPoolGradient,
  maxUnpool,
  maxUnpoolGradient,
} satisfies KernelsOf<typeof ops, ReferenceKernel>;
