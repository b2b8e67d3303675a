import type { FunctionBuilder, Local, Operand } from '@shoal/backend-wasm/encoder';
import { sameShape, sizeOf, stridesOf, type Shape } from '@shoal/core';

/** Byte offset of the matrix of an operand with leading axes `lead` that belongs to product number `index` of `batch`, whose shape `lead` broadcasts to. */
export function matrixOffset(f: FunctionBuilder, index: Local<'i32'>, batch: Shape, lead: Shape, matrixBytes: number): Operand<'i32'> {
  if (sizeOf(lead) === 1) return 0;
  if (sameShape(lead, batch)) return f.i32.mul(index, matrixBytes);
  const strides = stridesOf(lead);
  let rest = index;
  let offset: Operand<'i32'> = 0;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const own = axis - batch.length + lead.length;
    if (own >= 0 && lead[own] !== 1) offset = f.i32.add(offset, f.i32.mul(f.i32.remU(rest, batch[axis]!), strides[own]! * matrixBytes));
    rest = f.let(f.i32.divU(rest, batch[axis]!));
  }
  return offset;
}
