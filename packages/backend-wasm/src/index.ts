export { createRuntime } from '@shoal/core';
export { wasm, type WasmOptions } from './backend.ts';
export { loweredKernel, wasmKernel } from './kernel.ts';
export type { EngineOptions, Lanes, Place, Scratch, Stage, StageOptions, WasmKernel, WasmKernelOptions, WasmSite } from './kernel.ts';
export { ELEMENTWISE_GRAIN, forLanes, forUnits, laneMask, storeLanes, tilesFor, VECTOR_BYTES } from './lanes.ts';
export { layoutOf, type Layout } from './layout.ts';
export { printExpression, type Leaves } from './print.ts';
