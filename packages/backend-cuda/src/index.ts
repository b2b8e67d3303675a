export { createRuntime } from '@shoal/core';
export { cuda } from './cuda.ts';
export type { CudaOptions } from './driver/open.ts';
export type { Convolution, ConvolutionCall, ConvolutionPass, ConvolutionPlan } from './convolution.ts';
export { printConstant, printExpression, type Leaves, type PrintedExpression } from './expression.ts';
export { gemm, type GemmFactor, type GemmOptions } from './gemm/gemm.ts';
export {
  blocks,
  constantTable,
  cudaKernel,
  elements,
  own,
  phase,
  ravel,
  shared,
  step,
  unravel,
  type CudaInput,
  type CudaKernel,
  type CudaKernelOptions,
  type CudaOutput,
  type CudaScratch,
  type CudaSite,
  type CudaTable,
  type Launch,
  type Precision,
} from './kernel.ts';
export { broadcastIndex } from './kernels/broadcast.ts';
export { declareBroadcast, type DeclaredIndex } from './kernels/gather.ts';
export { reduction, type ReductionOptions } from './reduction.ts';
export { fixed } from './text.ts';
export { overCells, overWindows } from './window.ts';
