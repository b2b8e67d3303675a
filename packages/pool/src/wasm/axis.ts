import type { FunctionBuilder, I32, Local, Operand } from '@shoal/backend-wasm/encoder';
import { nhwc, type Shape } from '@shoal/core';
import type { PoolAttributes } from '../window.ts';

/** Pooling along one axis: output o reads the cells o * stride - before + i * dilation of `size`, for i below `window`. */
export interface Axis {
  readonly size: number;
  readonly outputs: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

export interface Plane {
  readonly batch: number;
  readonly channels: number;
  readonly rows: Axis;
  readonly columns: Axis;
}

export function planeOf(input: Shape, pooled: Shape, { window, stride, dilation, padding }: PoolAttributes): Plane {
  const [batch, height, width, channels] = nhwc('pool', input);
  const [, outputHeight, outputWidth] = nhwc('pool', pooled);
  const along = (axis: 'height' | 'width', size: number, outputs: number, before: number, after: number): Axis => ({
    size,
    outputs,
    window: window[axis],
    stride: stride[axis],
    dilation: dilation[axis],
    before,
    after,
  });
  return {
    batch,
    channels,
    rows: along('height', height, outputHeight, padding.top, padding.bottom),
    columns: along('width', width, outputWidth, padding.left, padding.right),
  };
}

/** Positions from `from` to before `to`. */
export interface Range<Bound = number> {
  readonly from: Bound;
  readonly to: Bound;
}

const clamp = (n: number, most: number): number => Math.min(Math.max(n, 0), most);

/** The outputs whose whole window lies inside the input. */
export function wholeWindows({ size, outputs, window, stride, dilation, before }: Axis): Range {
  const from = clamp(Math.ceil(before / stride), outputs);
  const room = size + before - (window - 1) * dilation - 1;
  return { from, to: Math.max(from, clamp(Math.floor(room / stride) + 1, outputs)) };
}

export const isAll = ({ from, to }: Range, count: number): boolean => from === 0 && to === count;

/** ceil(value / divisor) where that is positive, else 0. */
export function ceilOrZero(f: FunctionBuilder, value: Local<'i32'>, divisor: number): I32 {
  const quotient = divisor === 1 ? value : f.i32.divU(f.i32.add(value, divisor - 1), divisor);
  return f.select(quotient, f.i32.const(0), f.i32.gtS(value, 0));
}

export function minimum(f: FunctionBuilder, value: I32, most: Operand<'i32'>): I32 {
  const held = f.let(value);
  return f.select(held, typeof most === 'number' ? f.i32.const(most) : most, f.i32.ltS(held, most));
}

/** The taps of a window that lie inside `size` cells, where its first cell is `start`. */
export function tapsInside(f: FunctionBuilder, { window, dilation, size }: Axis, start: Local<'i32'>): Range<Local<'i32'>> {
  const before = f.let(f.i32.sub(0, start));
  const room = f.let(f.i32.sub(size, start));
  return { from: f.let(ceilOrZero(f, before, dilation)), to: f.let(minimum(f, ceilOrZero(f, room, dilation), window)) };
}

/** Whether `position` is in the range; null where that is known to be so. */
export function within(f: FunctionBuilder, position: Local<'i32'>, { from, to }: Range, count: number): I32 | null {
  if (isAll({ from, to }, count)) return null;
  return f.i32.ltU(from === 0 ? position : f.i32.sub(position, from), to - from);
}
