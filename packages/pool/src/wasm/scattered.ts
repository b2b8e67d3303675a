import type { Lanes } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';

/** Byte offsets, from the start of a plane, of the cells `cell` at four neighbouring channels. */
export function planeOffsets(f: FunctionBuilder, cell: V128, channels: number, channel: Operand<'i32'>): Local<'v128'> {
  const lanes = typeof channel === 'number' ? f.i32x4.const(channel, channel + 4, channel + 8, channel + 12) : null;
  const first = lanes ?? f.i32x4.add(f.i32x4.splat(channel), f.i32x4.const(0, 4, 8, 12));
  return f.let(f.i32x4.add(f.i32x4.mul(cell, channels * 4), first));
}

/** Four numbers (or the first `lanes`) from anywhere. */
export function gatherLanes(f: FunctionBuilder, from: Local<'i32'>, offsets: Local<'v128'>, lanes: Lanes): V128 {
  const address = (lane: number): Operand<'i32'> => f.i32.add(from, f.i32x4.extractLane(offsets, lane));
  let value = f.v128.load32Zero(address(0));
  for (let lane = 1; lane < lanes; lane++) value = f.v128.load32Lane(address(lane), value, lane);
  return value;
}
