import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { averagePoolGradientWasm, averagePoolWasm } from './average-pool.ts';
import { maxPoolGatherWasm, maxPoolGradientWasm, placesGradientWasm } from './max-pool-gradient.ts';
import { maxPoolPlacesWasm, maxPoolWasm } from './max-pool.ts';
import { winnersWasm } from './places.ts';
import { maxUnpoolGradientWasm, maxUnpoolWasm } from './max-unpool.ts';

/** Pooling on the CPU. Pass it to `createRuntime(wasm(), [poolWasm])`. */
export const poolWasm = {
  averagePool: averagePoolWasm,
  averagePoolGradient: averagePoolGradientWasm,
  maxPool: maxPoolWasm,
  maxPoolGather: maxPoolGatherWasm,
  maxPoolGradient: maxPoolGradientWasm,
  maxPoolPlaces: maxPoolPlacesWasm,
  maxPoolPlacesGradient: placesGradientWasm,
  winners: winnersWasm,
  maxUnpool: maxUnpoolWasm,
  maxUnpoolGradient: maxUnpoolGradientWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
