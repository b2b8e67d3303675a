import type { WasmKernel } from '@shoal/backend-wasm';
import { applyDepthwise, depthwiseTapsWasm } from './depthwise.ts';
import { convolutions } from './lower.ts';
import { packWeightWasm } from './pack-weight.ts';
import { tapConvolutionWasm } from './tap-convolution.ts';
import { applyWinograd } from './winograd/choice.ts';
import { winogradConvolutionWasm } from './winograd/convolution.ts';
import { winogradWeightWasm } from './winograd/weight.ts';

/** `convWasm` without the gradient to the weights: what inference takes. */
export const inferenceConvWasm = {
  ...convolutions([applyWinograd, applyDepthwise]),
  packWeight: packWeightWasm,
  tapConvolution: tapConvolutionWasm,
  depthwiseTaps: depthwiseTapsWasm,
  winogradWeight: winogradWeightWasm,
  winogradConvolution: winogradConvolutionWasm,
} satisfies Record<string, WasmKernel>;
