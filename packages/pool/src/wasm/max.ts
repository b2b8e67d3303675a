import type { WasmKernel } from '@shoal/backend-wasm';
import { maxPoolGatherWasm, maxPoolGradientWasm, placesGradientWasm } from './max-pool-gradient.ts';
import { maxPoolPlacesWasm, maxPoolWasm as maxPool } from './max-pool.ts';
import { winnersWasm } from './places.ts';

/** Max pooling on the CPU, with its gradient. */
export const maxPoolWasm = {
  maxPool,
  maxPoolGather: maxPoolGatherWasm,
  maxPoolGradient: maxPoolGradientWasm,
  maxPoolPlaces: maxPoolPlacesWasm,
  maxPoolPlacesGradient: placesGradientWasm,
  winners: winnersWasm,
} satisfies Record<string, WasmKernel>;
