import type { Shape } from '@shoal/core';
import { sizeOf, stridesOf } from '@shoal/core';

/** Axes of [n, h, w, c] in the order of [n, c, h, w]. */
export const toNchw: readonly number[] = [0, 3, 1, 2];
export const fromNchw: readonly number[] = [0, 2, 3, 1];
/** Axes of [kh, kw, in, out] in the order of [out, in, kh, kw], and back. */
export const toOihw: readonly number[] = [3, 2, 0, 1];
export const fromOihw: readonly number[] = [2, 3, 1, 0];

export const permutedShape = (shape: Shape, axes: readonly number[]): number[] => axes.map((axis) => shape[axis]!);

/** Axis `i` of the result is axis `axes[i]` of the data. */
export function permute(data: Float32Array, shape: Shape, axes: readonly number[]): Float32Array {
  const strides = stridesOf(shape);
  const [a, b, c, d] = permutedShape(shape, axes) as [number, number, number, number];
  const [sa, sb, sc, sd] = axes.map((axis) => strides[axis]!) as [number, number, number, number];
  const result = new Float32Array(sizeOf(shape));
  let at = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++) for (let l = 0, from = i * sa + j * sb + k * sc; l < d; l++, from += sd) result[at++] = data[from]!;
  return result;
}

/** An image tensor as engines of NCHW want it; others as they are. */
export const imageToNchw = (data: Float32Array, shape: Shape): Float32Array => (shape.length === 4 ? permute(data, shape, toNchw) : data);
export const imageShapeNchw = (shape: Shape): readonly number[] => (shape.length === 4 ? permutedShape(shape, toNchw) : shape);
/** The inverse of {@link imageToNchw}; `shape` is the NHWC one. */
export const imageFromNchw = (data: Float32Array, shape: Shape): Float32Array =>
  shape.length === 4 ? permute(data, permutedShape(shape, toNchw), fromNchw) : data;
