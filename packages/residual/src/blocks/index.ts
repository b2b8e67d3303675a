export { basicBlock, type ResidualBlockOptions } from './basic.ts';
export { bottleneckBlock, type BottleneckBlockOptions } from './bottleneck.ts';
export { fireBlock, type FireBlockOptions } from './fire.ts';
export {
  downRefineBlock,
  fishBlock,
  fishGroup,
  upRefineBlock,
  type FishBlockOptions,
  type FishGroupOptions,
  type RefineBlockOptions,
  type UpRefineBlockOptions,
} from './fish.ts';
export { Layers, layers, type BlockContext, type BlockResult, type ConvLayerOptions } from './layers.ts';
export { preActivationBlock, type PreActivationBlockOptions } from './pre-activation.ts';
export { createScope, Scope } from './scope.ts';
export type { ShortcutKind } from './shortcut.ts';
