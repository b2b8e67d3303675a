export { conv2d, type Conv2dGradientInputAttributes, type Conv2dGradientWeightAttributes, type Conv2dOptions } from './conv2d.ts';
export { convTranspose2d, type ConvTranspose2dOptions } from './conv-transpose2d.ts';
export { depthwiseConv2d } from './depthwise-conv2d.ts';
export { conv2dGeometry, conv2dMultiplyAccumulates, type Conv2dAttributes, type Conv2dGeometry, type WeightShape } from './geometry.ts';
export * from './ops.ts';
