export {
  batchNorm,
  batchNormGradient,
  batchNormOp,
  valuesPerChannel,
  type BatchNormAttributes,
  type BatchNormOptions,
  type BatchNormState,
} from './batch-norm.ts';
export * from './blocks/index.ts';
export { channelGroupSum, type ChannelGroupSumOptions } from './channel-group-sum.ts';
export { groupNorm, type GroupNormOptions } from './group-norm.ts';
export * from './upsample-bilinear.ts';
export * from './upsample-nearest.ts';
