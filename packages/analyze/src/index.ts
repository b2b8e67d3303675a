export type { Convention } from './convention.ts';
export {
  cost,
  costOn,
  inferenceProgram,
  sumCounts,
  trainingProgram,
  type CostOptions,
  type Counts,
  type LayerCost,
  type LayerField,
  type NetworkCost,
} from './cost.ts';
export { layersOf, type Layer, type LayeredGraph, type LayerKind } from './layers/index.ts';
export * from './profile/index.ts';
export { livenessPeak, plannedBytes } from './memory.ts';
export {
  receptiveField,
  seenBy,
  type AxisField,
  type ReceptiveField,
  type ReceptiveFieldOptions,
  type SeenBox,
} from './receptive-field/index.ts';
export * from './flow/index.ts';
