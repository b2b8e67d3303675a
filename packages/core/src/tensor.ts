import { ShapeError, ShoalError } from './errors.ts';

/** Sizes of each axis, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** `f32` values, `i32` labels and winners, `u32` random bits. */
export type Dtype = 'f32' | 'i32' | 'u32';

/** What is known about a tensor before it exists. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** Host data of each dtype. `f32` constants are held in float64: attributes and constants are exact until a backend rounds them. */
export type TensorData = Float32Array | Float64Array | Int32Array | Uint32Array;

/** What devices hold of each dtype. */
export type HostArray = Float32Array | Int32Array | Uint32Array;

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dimension of shape) size *= dimension;
  return size;
}

/** Element strides of a dense row-major tensor. */
export function stridesOf(shape: Shape): number[] {
  const strides = Array.from(shape, () => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);
}

/** `[2,3,4]`, as errors print it. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(',')}]`;
}

/** Throws unless every size is a non-negative safe integer. */
export function checkShape(op: string, shape: Shape): void {
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ShapeError({
        op,
        fact: `size ${dimension} in shape ${formatShape(shape)} is not a non-negative integer`,
        next: 'Give whole, finite sizes',
      });
    }
  }
  if (!Number.isSafeInteger(sizeOf(shape))) {
    throw new ShapeError({ op, fact: `shape ${formatShape(shape)} has more elements than a number can count`, next: 'Use smaller sizes' });
  }
}

/** Throws unless the shape is one ({@link checkShape}) and the dtype is known. */
export function checkTensorType(op: string, { shape, dtype }: TensorType): void {
  checkShape(op, shape);
  if (dtype !== 'f32' && dtype !== 'i32' && dtype !== 'u32') {
    throw new ShoalError('DTYPE', { op, fact: `unknown dtype '${String(dtype)}'`, next: 'Use f32, i32 or u32' });
  }
}

export function checkDtype(op: string, name: string, actual: Dtype, expected: Dtype): void {
  if (actual !== expected) {
    throw new ShoalError('DTYPE', {
      op,
      fact: `${name} is ${actual} where ${expected} is needed`,
      next: `Cast it with cast(value, '${expected}')`,
    });
  }
}

/** Throws unless the op was given exactly as many inputs as it takes. */
export function checkArity(op: string, inputs: readonly unknown[], least: number, most = least): void {
  if (inputs.length < least || inputs.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most === Infinity ? 'any number' : most}`;
    throw new ShoalError('GRAPH', { op, fact: `got ${inputs.length} inputs where ${wanted} are needed` });
  }
}

/** The shape two shapes broadcast to, numpy's rule: align at the last axis, sizes equal or 1. */
export function broadcastShapes(op: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1;
    for (const shape of shapes) {
      const own = shape[axis - rank + shape.length] ?? 1;
      if (own !== 1 && size !== 1 && own !== size) {
        throw new ShapeError({
          op,
          fact: `shapes ${shapes.map(formatShape).join(', ')} do not broadcast`,
          next: 'Make sizes equal or 1, aligned at the last axis',
        });
      }
      if (own !== 1) size = own;
    }
    return size;
  });
}

/** A zeroed array for `size` elements on the host; `f32` in float32. */
export function hostArray(dtype: Dtype, size: number): HostArray {
  if (dtype === 'f32') return new Float32Array(size);
  return dtype === 'i32' ? new Int32Array(size) : new Uint32Array(size);
}

/** A zeroed array for `size` elements at definition precision; `f32` in float64. */
export function exactArray(dtype: Dtype, size: number): Float64Array | Int32Array | Uint32Array {
  if (dtype === 'f32') return new Float64Array(size);
  return dtype === 'i32' ? new Int32Array(size) : new Uint32Array(size);
}
