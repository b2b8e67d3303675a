import { smallFactors, transformSmallFilter, transformSmallProducts, transformSmallSource } from '../../winograd/small-tiles.ts';
import {
  stridedClasses,
  stridedFactors,
  stridedPoint,
  stridedPoints,
  stridedSide,
  stridedWeights,
  transformBackwardProducts,
  transformBackwardSource,
  transformStridedFilter,
  transformStridedProducts,
  transformStridedSource,
} from '../../winograd/strided-tiles.ts';
import { outputSide, sourceSide } from '../../winograd/tiles.ts';
import { factors, transformFilter, transformProducts, transformSource } from '../../winograd/transforms.ts';

/**
 * A convolution with stride 2, or one that runs backward; then, along each axis, 1 where the first cell of the output hears from the tap in
 * the middle and 0 where it hears from the others.
 */
export type StridedTiling = 'strided' | `backward ${0 | 1}${0 | 1}`;

/** What is computed at once: F(4x4, 3x3), F(2x2, 3x3) or a tile of a convolution with stride 2. */
export type Tiling = 2 | 4 | StridedTiling;

/** One of Winograd's ways to compute a tile of outputs. */
export interface Filtering {
  /** Sides of the tiles of the output and the source, and from one tile of the source to the next. */
  readonly outputSide: number;
  readonly sourceSide: number;
  readonly sourceStep: number;
  /** Products of one tile of one channel, and weights that they have. */
  readonly points: number;
  readonly weights: number;
  /** How many weights have so many products each; products of one weight follow one another. */
  readonly classes: readonly { readonly weights: number; readonly products: number }[];
  /** The number of the product of two values of the axes. */
  readonly pointOf: (row: number, column: number) => number;
  /** The factors of each transform. */
  readonly factors: Readonly<Record<'source' | 'products' | 'filter', readonly number[]>>;
  readonly source: typeof transformSource;
  readonly products: typeof transformProducts;
  readonly filter: typeof transformFilter;
}

/** With stride 1 every product has a weight of its own. */
const plain = (
  outputSide: number,
  sourceSide: number,
): Pick<Filtering, 'outputSide' | 'sourceSide' | 'sourceStep' | 'points' | 'weights' | 'classes' | 'pointOf'> => ({
  outputSide,
  sourceSide,
  sourceStep: outputSide,
  points: sourceSide ** 2,
  weights: sourceSide ** 2,
  classes: [{ weights: sourceSide ** 2, products: 1 }],
  pointOf: (row, column) => row * sourceSide + column,
});

const strided: Filtering = {
  outputSide: 4,
  sourceSide: stridedSide,
  sourceStep: 8,
  points: stridedPoints,
  weights: stridedWeights,
  classes: stridedClasses,
  pointOf: stridedPoint,
  factors: stridedFactors,
  source: transformStridedSource,
  products: transformStridedProducts,
  filter: transformStridedFilter,
};

const backward = (row: number, column: number): Filtering => ({
  ...strided,
  outputSide: 8,
  sourceSide: 5,
  sourceStep: 4,
  source: transformBackwardSource({ row, column }),
  products: transformBackwardProducts({ row, column }),
});

const filterings: Readonly<Record<Tiling, Filtering>> = {
  2: {
    ...plain(2, 4),
    factors: smallFactors,
    source: transformSmallSource,
    products: transformSmallProducts,
    filter: transformSmallFilter,
  },
  4: { ...plain(outputSide, sourceSide), factors, source: transformSource, products: transformProducts, filter: transformFilter },
  strided,
  'backward 00': backward(0, 0),
  'backward 01': backward(0, 1),
  'backward 10': backward(1, 0),
  'backward 11': backward(1, 1),
};

export const filteringOf = (tiling: Tiling): Filtering => filterings[tiling];
