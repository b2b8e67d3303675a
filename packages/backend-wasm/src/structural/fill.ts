import { fillOp, sizeOf } from '@shoal/core';
import { toF32x4, toI32x4 } from '../encoder/values.ts';
import { wasmKernel } from '../kernel.ts';
import { emitFill } from './copy.ts';

/** One number everywhere. */
export const fillWasm = wasmKernel(fillOp, ({ attributes: { value, shape, dtype }, stage }) => {
  emitFill(stage, sizeOf(shape), dtype === 'f32' ? toF32x4(value) : toI32x4(value));
});
