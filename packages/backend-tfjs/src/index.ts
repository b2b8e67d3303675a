export { createRuntime } from '@shoal/core';
export { tfjs } from './backend.ts';
export type { Engine, Tensor, Tensor4D, Tensorflow } from './engine.ts';
export { hostKernel, tfjsKernel, unlessInteger, type TfjsKernel, type TfjsKernelOptions, type TfjsSite } from './kernel.ts';
export { accumulate, addAll, broadcast, place, select, take, type Run } from './shaping.ts';
export { tapsAlong, type Tap } from './taps.ts';
export { filled, upload } from './transfer.ts';
