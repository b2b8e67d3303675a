export { createRuntime } from '@shoal/core';
export type { AutotuneOptions, TuningProgress, WebgpuOptions } from './adapter.ts';
export { printConstant, printExpression, type Leaves, type PrintedExpression } from './expression.ts';
export { gemm, type GemmFactor, type GemmOptions, type GemmPosition } from './gemm.ts';
export {
  constantTable,
  elements,
  floats,
  ravel,
  readAt,
  tunedElements,
  unravel,
  variants,
  wgslKernel,
  workgroups,
  writeAt,
  type Dispatch,
  type Variant,
  type WebgpuKernel,
  type WgslInput,
  type WgslKernelOptions,
  type WgslOutput,
  type WgslScratch,
  type WgslSite,
  type WgslTable,
  type Width,
} from './kernel.ts';
export { broadcastIndex } from './kernels/broadcast.ts';
export { reduction, type ReductionOptions } from './reduction.ts';
export { webgpu } from './webgpu.ts';
export { overCells, overWindows } from './window.ts';
