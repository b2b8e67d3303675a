import { loweredKernel, type WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import { conv2dGradientInput, conv2dOp } from '../conv2d.ts';
import { conv2dGeometry, outputShape } from '../geometry.ts';
import type * as ops from '../ops.ts';
import { depthwiseTapsWasm } from './depthwise.ts';
import { gradientWeightWasm } from './gradient-weight.ts';
import { applyPlan } from './lower.ts';
import { packWeightWasm } from './pack-weight.ts';
import { tapConvolutionWasm } from './tap-convolution.ts';
import { backwardPlan, forwardPlan } from './taps.ts';
import { winogradConvolutionWasm } from './winograd/convolution.ts';
import { winogradGradientWeightWasm } from './winograd/gradient-weight.ts';
import { winogradWeightWasm } from './winograd/weight.ts';

/** Convolution on the CPU. Pass it to `createRuntime(wasm(), [convWasm])`. */
export const convWasm = {
  conv2dOp: loweredKernel(conv2dOp, ([x, weight, bias], attributes, lowering) => {
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    const target = { outputShape: outputShape(geometry), transposed: false };
    return applyPlan(forwardPlan(geometry, attributes), { source: x!, weight: weight!, bias }, geometry, attributes, target, lowering);
  }),
  conv2dGradientInput: loweredKernel(conv2dGradientInput, ([dy, weight], attributes, lowering) => {
    const geometry = conv2dGeometry(conv2dGradientInput.name, attributes.inputShape, weight!.shape, attributes);
    const target = { outputShape: attributes.inputShape, transposed: true };
    return applyPlan(backwardPlan(geometry, attributes), { source: dy!, weight: weight! }, geometry, attributes, target, lowering);
  }),
  conv2dGradientWeight: gradientWeightWasm,
  packWeight: packWeightWasm,
  tapConvolution: tapConvolutionWasm,
  depthwiseTaps: depthwiseTapsWasm,
  winogradWeight: winogradWeightWasm,
  winogradConvolution: winogradConvolutionWasm,
  winogradGradientWeight: winogradGradientWeightWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
