export { basicBlock, type ResidualBlockOptions } from './basic.ts';
export { bottleneckBlock, type BottleneckBlockOptions } from './bottleneck.ts';
export { channelAttention, type ChannelAttentionOptions } from './channel-attention.ts';
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
export { contextKeys, Layers, layers, type BlockContext, type BlockResult, type ConvLayerOptions, type Tap } from './layers.ts';
export { network, type BuildOptions, type Network, type NetworkDefinition } from './network.ts';
export { preActivationBlock, type PreActivationBlockOptions } from './pre-activation.ts';
export { createScope, Scope } from './scope.ts';
export type { ShortcutKind } from './shortcut.ts';
