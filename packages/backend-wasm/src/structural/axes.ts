import { type Shape } from '@shoal/core';
import type { FunctionBuilder, I32, Local } from '../encoder/index.ts';
import { ELEMENT_BYTES, layoutOf } from '../layout.ts';

/** One axis of a loop nest over several tensors: its size, and how many bytes each tensor moves per position. */
export interface Axis {
  readonly size: number;
  readonly strides: readonly number[];
  /** The axes of the original shape that it stands for, outermost first. */
  readonly origin: readonly number[];
}

/** Byte strides of a tensor that is broadcast to `shape`: 0 along axes where it has size 1 or none. */
export function broadcastStrides(own: Shape, shape: Shape): readonly number[] {
  const { strides } = layoutOf({ shape: own });
  return shape.map((_, axis) => {
    const at = axis - shape.length + own.length;
    return at < 0 || own[at] === 1 ? 0 : strides[at]!;
  });
}

/** Fewer, longer axes: drops those of size 1, and joins neighbours that every tensor walks as if they were one. `joins` may forbid that. */
export function collapse(axes: readonly Axis[], joins: (outer: Axis, inner: Axis) => boolean = () => true): readonly Axis[] {
  const found: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = found.at(-1);
    if (outer && joins(outer, axis) && outer.strides.every((stride, i) => stride === axis.strides[i]! * axis.size)) {
      found[found.length - 1] = { size: outer.size * axis.size, strides: axis.strides, origin: [...outer.origin, ...axis.origin] };
    } else found.push(axis);
  }
  return found;
}

/** One axis per size of `shape`, with the strides of each tensor. */
export function axesOf(shape: Shape, strides: readonly (readonly number[])[]): readonly Axis[] {
  return shape.map((size, axis) => ({ size, strides: strides.map((own) => own[axis]!), origin: [axis] }));
}

export const countOf = (axes: readonly Axis[]): number => axes.reduce((product, { size }) => product * size, 1);

export interface Decoded {
  /** Byte offset of each tensor. */
  readonly offsets: readonly Local<'i32'>[];
  /** Position along each axis. */
  readonly positions: readonly Local<'i32'>[];
}

/** Takes a running number over `axes` (row-major) apart into positions, and those into byte offsets. */
export function decode(f: FunctionBuilder, running: Local<'i32'>, axes: readonly Axis[], tensors: number): Decoded {
  const positions: Local<'i32'>[] = [];
  let rest = running;
  for (let i = axes.length - 1; i >= 0; i--) {
    const { size } = axes[i]!;
    positions.unshift(i === 0 ? rest : f.let(f.i32.remU(rest, size)));
    if (i > 0) rest = f.let(f.i32.divU(rest, size));
  }
  const offsets = Array.from({ length: tensors }, (_, tensor) => {
    const terms = axes.flatMap(({ strides }, i): I32[] => (strides[tensor] === 0 ? [] : [f.i32.mul(positions[i]!, strides[tensor]!)]));
    return f.let(terms.length === 0 ? f.i32.const(0) : terms.reduce((sum, term) => f.i32.add(sum, term)));
  });
  return { offsets, positions };
}

export const bytes = (elements: number): number => elements * ELEMENT_BYTES;
