import type { LeavesMoments } from '@shoal/backend-wasm';
import type { Op, Shape } from '@shoal/core';
import { stridedPoints } from '../../winograd/strided-tiles.ts';
import { points, tilesOf, windowSide } from '../../winograd/tiles.ts';
import { resultAndMoments, type Cell } from '../taps.ts';
import { filteringOf, type Tiling } from './filtering.ts';

/** How transformed weights lie in memory: `[slice][weight of a point][panel][inner][lane]`, lanes beyond the last channel hold anything. */
export interface WinogradWeightAttributes {
  readonly tiling: Tiling;
  /** The window is turned around, for a convolution that runs backwards. */
  readonly turned: boolean;
  /** Output channels side by side in one panel. */
  readonly panel: number;
  /** Panels of one slice: what a block of tiles is multiplied with before it is transformed back. */
  readonly panelsPerSlice: number;
}

/** A convolution of 3x3 windows with stride 1 or 2, by tiles of the output. */
export interface WinogradAttributes extends WinogradWeightAttributes, LeavesMoments {
  readonly weightShape: Shape;
  readonly outputShape: Shape;
  /** The source cell that the first tap of the first output cell reads. What lies outside of the source is zero. */
  readonly origin: Cell;
  /** Tiles that go through the transforms together. */
  readonly block: number;
  /** Whether the weight comes as it is: what multiplies a slice transforms it first, and nothing transformed goes through the memory. */
  readonly isPlainWeight: boolean;
}

export interface WinogradSizes {
  /** Channels that are read, and channels that are written. */
  readonly inner: number;
  readonly outer: number;
  readonly panels: number;
  readonly slices: number;
  /** Elements of one weight of one slice, and of all. */
  readonly pointSize: number;
  readonly total: number;
}

const line = 16;

/** The least odd number of cache lines that holds so many elements: planes a power of two apart would fall onto the same lines of a cache. */
export const staggered = (elements: number): number => (2 * Math.floor(Math.ceil(elements / line) / 2) + 1) * line;

export function winogradSizes([, , inner, outer]: Shape, { tiling, panel, panelsPerSlice }: WinogradWeightAttributes): WinogradSizes {
  const panels = Math.ceil(outer! / panel);
  const slices = Math.ceil(panels / panelsPerSlice);
  const pointSize = staggered(panelsPerSlice * inner! * panel);
  return { inner: inner!, outer: outer!, panels, slices, pointSize, total: slices * filteringOf(tiling).weights * pointSize };
}

const internal = { none: 'it stands only in lowered programs, after differentiation' } as const;

/** Weights for {@link winogradConvolution}. Input: the weight [3, 3, inner, outer]; output: f32 [total]. */
export const winogradWeight: Op<WinogradWeightAttributes> = {
  name: 'conv/wasm-winograd-weight',
  infer: ([weight], attributes) => [{ shape: [winogradSizes(weight!.shape, attributes).total], dtype: 'f32' }],
  vjp: internal,
  cost: () => ({}),
};

/** A convolution by minimal filtering. Inputs: the source, the weight, transformed or not, and, optionally, a bias of one number per output channel. */
export const winogradConvolution: Op<WinogradAttributes> = {
  name: 'conv/wasm-winograd',
  infer: resultAndMoments,
  vjp: internal,
  cost: ({ attributes }) => {
    const { inner, outer } = winogradSizes(attributes.weightShape, attributes);
    const { outputSide, points } = filteringOf(attributes.tiling);
    return { multiplyAccumulates: tilesOf(attributes.outputShape, outputSide).count * points * inner * outer };
  },
};

/** A weight gradient by tiles of 4x4 cells of dy. */
export interface WinogradGradientWeightAttributes {
  readonly stride: 1 | 2;
  /** The cell of x that the first tap of the first cell of dy reads. What lies outside of x is zero. */
  readonly origin: Cell;
}

/** The gradient of the weight [3, 3, inner, outer]. Inputs: x and dy. */
export const winogradGradientWeight: Op<WinogradGradientWeightAttributes> = {
  name: 'conv/wasm-winograd-gradient-weight',
  infer: ([x, dy]) => [{ shape: [windowSide, windowSide, x!.shape[3]!, dy!.shape[3]!], dtype: 'f32' }],
  vjp: internal,
  cost: ({ inputs: [x, dy], attributes: { stride } }) => ({
    multiplyAccumulates: tilesOf(dy!.shape).count * (stride === 1 ? points : stridedPoints) * x!.shape[3]! * dy!.shape[3]!,
  }),
};
