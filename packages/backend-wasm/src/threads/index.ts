export { emitAbortCheck, emitBarrier } from './barrier.ts';
export { CONTROL_BYTES, MAXIMUM_ARGUMENTS } from './control.ts';
export type { Executor, ModuleHandle, RunOptions, RunReport } from './executor.ts';
export { processors } from './host.ts';
export { createInline } from './inline.ts';
export { createPool } from './pool.ts';
export type { PoolOptions } from './pool.ts';
