import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { applyDepthwiseGradient, depthwiseGradientWeightWasm } from './depthwise-gradient-weight.ts';
import { gradientWeight } from './gradient-weight.ts';
import { inferenceConvWasm } from './inference.ts';
import { leaveMoments, leavingMoments } from './moments.ts';
import { tapConvolutionWith } from './tap-convolution.ts';
import { applyWinogradGradient } from './winograd/choice.ts';
import { winogradConvolutionWith } from './winograd/convolution.ts';
import { winogradGradientWeightWasm } from './winograd/gradient-weight.ts';
import { leaveSliceMoments } from './winograd/moments.ts';

/** Convolution on the CPU. Pass it to `createRuntime(wasm(), [convWasm])`. */
export const convWasm = {
  ...inferenceConvWasm,
  conv2dOp: leavingMoments(inferenceConvWasm.conv2dOp),
  tapConvolution: tapConvolutionWith(leaveMoments),
  winogradConvolution: winogradConvolutionWith(leaveSliceMoments),
  conv2dGradientWeight: gradientWeight([applyWinogradGradient, applyDepthwiseGradient]),
  depthwiseGradientWeight: depthwiseGradientWeightWasm,
  winogradGradientWeight: winogradGradientWeightWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
