export { layersOf, type Layer, type LayeredGraph, type LayerKind } from './layers/index.ts';
export {
  receptiveField,
  seenBy,
  type AxisField,
  type ReceptiveField,
  type ReceptiveFieldOptions,
  type SeenBox,
} from './receptive-field/index.ts';
