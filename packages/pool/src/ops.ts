export { averagePool, averagePoolGradient } from './average-pool.ts';
export { maxPool, maxPoolGather, maxPoolGradient } from './max-pool.ts';
export { maxUnpool, maxUnpoolGradient } from './max-unpool.ts';
