import { hostKernel, type TfjsKernel } from '@shoal/backend-tfjs';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { maxUnpool, maxUnpoolGradient } from '../reference/max-unpool.ts';
import { averagePool, averagePoolGradient } from './average-pool.ts';
import { maxPool } from './max-pool.ts';
import { maxPoolGather, maxPoolGradient } from './winners.ts';

/** Pooling on TensorFlow.js. Pass it to `createRuntime(tfjs(tf), [poolTfjs])`. */
export const poolTfjs = {
  averagePool,
  averagePoolGradient,
  maxPool,
  maxPoolGather,
  maxPoolGradient,
  // Where winners repeat the last one wins, which scattering promises on no engine: it is done on the host.
  maxUnpool: hostKernel(maxUnpool),
  maxUnpoolGradient: hostKernel(maxUnpoolGradient),
} satisfies KernelsOf<typeof ops, TfjsKernel>;
