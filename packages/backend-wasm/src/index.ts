export { createRuntime } from '@shoal/core';
export { wasm, type WasmOptions } from './backend.ts';
export { loweredKernel, panelColumns, wasmKernel } from './kernel.ts';
export type {
  EngineOptions,
  Lanes,
  Place,
  Repetition,
  Scratch,
  Stage,
  StageOptions,
  WasmKernel,
  WasmKernelOptions,
  WasmSite,
} from './kernel.ts';
export {
  atMost,
  ELEMENTWISE_GRAIN,
  forLanes,
  forPiece,
  forUnits,
  forVectors,
  laneMask,
  loadPack,
  type Pack,
  storeLanes,
  tilesFor,
  transposeSquare,
  VECTOR_BYTES,
} from './lanes.ts';
export { layoutOf, type Layout } from './layout.ts';
export { cutRows, startSums, sumProducts, type Pieces, type Sums, type Terms } from './register-tiles.ts';
export { printExpression, type Leaves } from './print.ts';
