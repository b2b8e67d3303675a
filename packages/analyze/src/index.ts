export {
  receptiveField,
  seenBy,
  type AxisField,
  type ReceptiveField,
  type ReceptiveFieldOptions,
  type SeenBox,
} from './receptive-field/index.ts';
