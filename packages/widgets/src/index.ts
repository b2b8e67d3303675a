export { backendNames, type BackendName } from './explorer/calculator.ts';
export { defineDownsamplingExplorer } from './explorer/define.ts';
export { DownsamplingExplorer, StateChangeEvent } from './explorer/explorer.ts';
export { createModel, type Computation, type ExplorerModel } from './explorer/model.ts';
export { decodeState, encodeState, linkFields, type Decoded } from './explorer/permalink.ts';
export { presetNames, presets, type PresetName } from './explorer/presets.ts';
export type { Edge, ExplorerState, Numbers, Shift } from './explorer/state.ts';
export { languages, strings, type Language, type Strings } from './strings/index.ts';
