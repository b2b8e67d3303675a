import { reshapeOp, sizeOf, stopGradientOp } from '@shoal/core';
import { wasmKernel, type WasmSite } from '../kernel.ts';
import { ELEMENT_BYTES } from '../layout.ts';
import { emitCopies } from './copy.ts';

/** The same elements once more: schedules alias instead, so that this runs only where somebody schedules otherwise. */
function emitCopy({ inputs: [x], stage, fused }: WasmSite): void {
  emitCopies({ stage, fused }, [
    { input: 0, shape: [sizeOf(x!.shape)], from: 0, fromStrides: [ELEMENT_BYTES], to: 0, toStrides: [ELEMENT_BYTES] },
  ]);
}

export const reshapeWasm = wasmKernel(reshapeOp, emitCopy);
export const stopGradientWasm = wasmKernel(stopGradientOp, emitCopy);
