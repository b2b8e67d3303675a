import { forEachPosition } from '@shoal/core/reference';
import { stridesOf, type Shape } from '@shoal/core';

/** Axis i of Shoal's tensor is axis `layout[i]` of the source's. */
export type Layout = readonly number[];

/** Images of ONNX and PyTorch, [n, c, h, w]. */
export const nchw: Layout = [0, 2, 3, 1];
/** Weights of ONNX and PyTorch, [out, in / groups, kh, kw]. */
export const oihw: Layout = [2, 3, 1, 0];
/** Weights of their transposed convolutions, [in, out / groups, kh, kw]: the third axis stays the one per group. */
export const iohw: Layout = [2, 3, 1, 0];

export const permuteShape = (shape: Shape, layout: Layout): Shape => layout.map((axis) => shape[axis]!);

/** Row-major data of `shape`, reordered to the permuted shape. */
export function permuteData(data: readonly number[], shape: Shape, layout: Layout): readonly number[] {
  if (layout.every((axis, i) => axis === i)) return data;
  const strides = stridesOf(shape);
  const permuted: number[] = [];
  forEachPosition(permuteShape(shape, layout), (position) => {
    permuted.push(data[position.reduce((sum, p, i) => sum + p * strides[layout[i]!]!, 0)]!);
  });
  return permuted;
}
