import { smallFactors, transformSmallFilter, transformSmallProducts, transformSmallSource } from '../../winograd/small-tiles.ts';
import { outputSide, points, sourceSide } from '../../winograd/tiles.ts';
import { factors, transformFilter, transformProducts, transformSource } from '../../winograd/transforms.ts';

/** Side of a tile of the output: F(4x4, 3x3) or F(2x2, 3x3). */
export type TileSide = 2 | 4;

/** One of Winograd's ways to compute a tile of outputs. */
export interface Filtering {
  /** Side of the source's tile; its square is the number of points. */
  readonly sourceSide: number;
  readonly points: number;
  /** The factors of each transform. */
  readonly factors: Readonly<Record<'source' | 'products' | 'filter', readonly number[]>>;
  readonly source: typeof transformSource;
  readonly products: typeof transformProducts;
  readonly filter: typeof transformFilter;
}

const large: Filtering = { sourceSide, points, factors, source: transformSource, products: transformProducts, filter: transformFilter };

const small: Filtering = {
  sourceSide: 4,
  points: 16,
  factors: smallFactors,
  source: transformSmallSource,
  products: transformSmallProducts,
  filter: transformSmallFilter,
};

export const filteringOf = (side: TileSide): Filtering => (side === outputSide ? large : small);
