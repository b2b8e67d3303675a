export * from './adaptive-pool.ts';
export * from './average-pool.ts';
export * from './global-pool.ts';
export * from './lp-pool.ts';
export * from './max-pool.ts';
export * from './max-unpool.ts';
export * from './space-to-depth.ts';
export { countCells, windowCells, type PoolAttributes, type PoolGradientAttributes, type PoolOptions, type WindowCells } from './window.ts';
