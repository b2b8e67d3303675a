export { conv2dGradientInput, conv2dGradientWeight, conv2dOp } from './conv2d.ts';
