import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { averagePoolWasm } from './average.ts';
import { maxUnpoolGradientWasm, maxUnpoolWasm } from './max-unpool.ts';
import { maxPoolWasm } from './max.ts';

/** Pooling on the CPU. Pass it to `createRuntime(wasm(), [poolWasm])`. */
export const poolWasm = {
  ...averagePoolWasm,
  ...maxPoolWasm,
  maxUnpool: maxUnpoolWasm,
  maxUnpoolGradient: maxUnpoolGradientWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
