import type { WasmKernel } from '@shoal/backend-wasm';
import { averagePoolGradientWasm, averagePoolWasm as averagePool } from './average-pool.ts';

/** Average pooling on the CPU, with its gradient. */
export const averagePoolWasm = { averagePool, averagePoolGradient: averagePoolGradientWasm } satisfies Record<string, WasmKernel>;
