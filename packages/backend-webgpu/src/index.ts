export { createRuntime } from '@shoal/core';
export type { WebgpuOptions } from './adapter.ts';
export { printConstant, printExpression, type Leaves, type PrintedExpression } from './expression.ts';
export { gemm, type GemmOptions } from './gemm.ts';
export {
  constantTable,
  elements,
  ravel,
  unravel,
  wgslKernel,
  workgroups,
  type Dispatch,
  type WebgpuKernel,
  type WgslInput,
  type WgslKernelOptions,
  type WgslOutput,
  type WgslScratch,
  type WgslSite,
  type WgslTable,
} from './kernel.ts';
export { broadcastIndex } from './kernels/broadcast.ts';
export { reduction, type ReductionOptions } from './reduction.ts';
export { webgpu } from './webgpu.ts';
export { overCells, overWindows } from './window.ts';
