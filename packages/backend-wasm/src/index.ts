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
  storePack,
  tilesFor,
  transposeSquare,
  VECTOR_BYTES,
} from './lanes.ts';
export { layoutOf, type Layout } from './layout.ts';
export {
  blockAddress,
  blockStep,
  blockSumsShape,
  MOMENT_CHANNELS,
  MOMENTS,
  momentsOf,
  numberOffset,
  type BlockSums,
  type LeavesMoments,
} from './moments.ts';
export { cutRows, startSums, sumProducts, type Pieces, type Sums, type Terms } from './register-tiles.ts';
export { printExpression, type Leaves } from './print.ts';
