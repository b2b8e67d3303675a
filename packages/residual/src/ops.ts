export { batchNormGradient, batchNormOp } from './batch-norm.ts';
export { upsampleBilinearGradient, upsampleBilinearOp } from './upsample-bilinear.ts';
export { upsampleNearestGradient, upsampleNearestOp } from './upsample-nearest.ts';
