import {
  stridedClasses,
  stridedFactors,
  stridedPoints,
  stridedSide,
  stridedWeight,
  stridedWeights,
  transformStridedGradient,
  transformStridedSource,
  transformStridedSums,
} from '../../winograd/strided-tiles.ts';
import { points, sourceSide } from '../../winograd/tiles.ts';
import { factors, transformGradient, transformSource, transformSums } from '../../winograd/transforms.ts';
import type { Filtering } from './filtering.ts';

/** A way to compute a weight gradient from tiles of 4x4 cells of dy and the cells of x that they hear from. */
export interface GradientFiltering extends Pick<Filtering, 'sourceSide' | 'sourceStep' | 'points' | 'weights' | 'classes'> {
  /** Most tiles of one round, by the channels of x and dy: what a round transforms stays in the caches until it is multiplied. */
  readonly tilesPerRound: (channels: number) => number;
  /** The number of the sum of two values of the axes. */
  readonly sumOf: (row: number, column: number) => number;
  /** The factors of each transform. */
  readonly factors: Readonly<Record<'x' | 'dy' | 'sums', readonly number[]>>;
  readonly x: typeof transformSource;
  readonly dy: typeof transformGradient;
  readonly sums: typeof transformSums;
}

const plain: GradientFiltering = {
  sourceSide,
  sourceStep: 4,
  points,
  weights: points,
  classes: [{ weights: points, products: 1 }],
  tilesPerRound: () => 128,
  sumOf: (row, column) => row * sourceSide + column,
  factors: { x: factors.source, dy: factors.products, sums: factors.filter },
  x: transformSource,
  dy: transformGradient,
  sums: transformSums,
};

/** Bytes that a round of tiles of stride 2 transforms, and its tiles where channels are many. */
const roundBytes = 2_000_000;
const fewestTilesPerRound = 16;

const strided: GradientFiltering = {
  sourceSide: stridedSide,
  sourceStep: 8,
  points: stridedPoints,
  weights: stridedWeights,
  classes: stridedClasses,
  tilesPerRound: (channels) => Math.max(fewestTilesPerRound, Math.floor(roundBytes / (4 * stridedPoints * channels))),
  sumOf: stridedWeight,
  factors: { x: stridedFactors.source, dy: stridedFactors.products, sums: stridedFactors.filter },
  x: transformStridedSource,
  dy: transformStridedGradient,
  sums: transformStridedSums,
};

export const gradientFilteringOf = (stride: 1 | 2): GradientFiltering => (stride === 1 ? plain : strided);
