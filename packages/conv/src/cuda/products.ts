import { fixed } from '@shoal/backend-cuda';
import type { Size2d, Window2d } from '@shoal/core';

/** Below this many columns the tiles of a matrix product are mostly empty. */
export const fewColumns = 8;

/** Whether a cell lies in a plane, without a branch. */
export const inside = (h: string, w: string, { height, width }: Size2d): string =>
  `((unsigned)${h} < ${height}u & (unsigned)${w} < ${width}u)`;

/** The end of a factor's index: cells outside a plane are 0. All bits set are a negative number; a choice would become a branch. */
export const cellIndex = (h: string, w: string, plane: Size2d, index: string): string =>
  fixed`return ${index} | ((int)${inside(h, w, plane)} - 1);`;

/** Statements that declare the input cell `h`, `w` under place `r`, `s` of window `oh`, `ow`. */
export const inputCell = ({ stride, dilation, padding }: Window2d): string =>
  `const int h = oh * ${stride.height} - ${padding.top} + r * ${dilation.height};
const int w = ow * ${stride.width} - ${padding.left} + s * ${dilation.width};
`;

/**
 * Along one axis, the input cells that the same places of a strided window reach: cell `first + cell * stride`, for `cell` below
 * `cells`, lies under place `place + tap * placeStep` of output `offset + cell - tap * outputStep`, for `tap` below `taps`, where that
 * output exists.
 */
export interface Phase {
  readonly first: number;
  readonly cells: number;
  readonly place: number;
  readonly placeStep: number;
  readonly taps: number;
  readonly offset: number;
  readonly outputStep: number;
}

export interface Axis {
  readonly input: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * The phases of a strided window: cell h lies under place r of output o where o stride = h + padding - r dilation, so the cells whose
 * h + padding leave the same rest share their places, which are those with the same rest of r dilation: every
 * stride / gcd(stride, dilation)-th. A product over these alone multiplies no zeros.
 */
export function phasesOf({ input, window, stride, dilation, padding }: Axis): readonly Phase[] {
  const placeStep = stride / gcd(stride, dilation);
  return Array.from({ length: Math.min(stride, input) }, (_, first): Phase => {
    const cells = Math.ceil((input - first) / stride);
    const rest = (first + padding) % stride;
    const place = Array.from({ length: Math.min(placeStep, window) }, (_unused, r) => r).find((r) => (r * dilation) % stride === rest);
    const shared = { first, cells, placeStep, outputStep: (placeStep * dilation) / stride };
    if (place === undefined) return { ...shared, place: 0, taps: 0, offset: 0 };
    return { ...shared, place, taps: Math.ceil((window - place) / placeStep), offset: (first + padding - place * dilation) / stride };
  });
}
