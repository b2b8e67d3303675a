import type { WasmKernel } from '@shoal/backend-wasm';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { matmulWasm, packedProductWasm } from './matmul.ts';
import { packWasm } from './pack.ts';

/** Products on the CPU. Pass it to `createRuntime(wasm(), [mathWasm])`. */
export const mathWasm = {
  matmulOp: matmulWasm,
  packedProductOp: packedProductWasm,
  packOp: packWasm,
} satisfies KernelsOf<typeof ops, WasmKernel> & Record<string, WasmKernel>;
