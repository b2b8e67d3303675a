import { floats, type GemmFactor, type Width } from '@shoal/backend-webgpu';
import type { Size2d, Window2d } from '@shoal/core';
import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';

/** Below this many columns the tiles of a matrix product are mostly empty. */
export const fewColumns = 8;

/** How many channels of a group are reached at once. */
export const widthOf = (channels: number): Width => (channels % 4 === 0 ? 4 : 1);

/** A factor whose load gives `width` neighbours, along the depth or along its side. */
export function along(which: 'depth' | 'side', width: Width, factor: Pick<GemmFactor, 'origin' | 'load'>): GemmFactor {
  return width === 4 ? { ...factor, vector: which } : factor;
}

/** One channel in, one out, and the channels divide by four: a thread computes four of them. */
export const isWideDepthwise = ({ channels, channelsPerGroup, outputChannelsPerGroup }: Conv2dGeometry): boolean =>
  channelsPerGroup === 1 && outputChannelsPerGroup === 1 && channels % 4 === 0;

/** The convolution reads and writes the same cells: no cell has another place in the product than in the tensor. */
export function isPointwise({ window, stride, padding }: Conv2dAttributes): boolean {
  const sizes = [window.height, window.width, stride.height, stride.width];
  return sizes.every((size) => size === 1) && Object.values(padding).every((size) => size === 0);
}

/** Statements of a function: returns what `read` gives for the cell `h`, `w` of a plane, and zero where that lies outside. */
export function cellOrZero({ height, width }: Size2d, lanes: Width, read: (h: string, w: string) => string): string {
  const value = read(`clamp(h, 0, ${height - 1})`, `clamp(w, 0, ${width - 1})`);
  return `return select(${floats(lanes)}(), ${value}, h >= 0 && h < ${height} && w >= 0 && w < ${width});`;
}

/** Statements of a function: the input cell `h`, `w` under place `r`, `s` of window `oh`, `ow`; padding returns 0. */
export function inputCell({ stride, dilation, padding }: Window2d, input: Size2d, lanes: Width): string {
  return `let h = oh * ${stride.height} - ${padding.top} + r * ${dilation.height};
let w = ow * ${stride.width} - ${padding.left} + s * ${dilation.width};
if (h < 0 || h >= ${input.height} || w < 0 || w >= ${input.width}) { return ${floats(lanes)}(); }
`;
}
