import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { gradientWeight } from './gradient-weight.ts';
import { convolutions } from './lower.ts';
import { packWeightWasm } from './pack-weight.ts';
import { tapConvolutionWasm } from './tap-convolution.ts';

/**
 * Every convolution on the CPU, and its gradients, in the direct way. For pages that count kilobytes: from 16 channels on 3x3 windows are
 * faster in Winograd's way, and depthwise convolutions with kernels of their own, which `convWasm` has as well.
 */
export const directConvWasm = {
  ...convolutions([]),
  conv2dGradientWeight: gradientWeight([]),
  packWeight: packWeightWasm,
  tapConvolution: tapConvolutionWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
