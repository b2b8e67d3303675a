import {
  cutRows,
  forPiece,
  forVectors,
  loadPack,
  panelColumns,
  startSums,
  storePack,
  sumProducts,
  wasmKernel,
  atMost,
} from '@shoal/backend-wasm';
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '@shoal/backend-wasm/encoder';
import { nhwc, type TensorType } from '@shoal/core';
import { outputSide, tilesOf } from '../../winograd/tiles.ts';
import type { Cell } from '../taps.ts';
import { constantsFor, packed } from './arithmetic.ts';
import { gradientFilteringOf, type GradientFiltering } from './gradient-filtering.ts';
import { emitTransformedTile, placeOf, type TransformedTiles } from './tile.ts';
import { staggered, winogradGradientWeight } from './tiles.ts';

/** Numbers, over all points, that a tile of work transforms. */
const numbersWanted = 65_536;
/** Most channels of the input in one unit of products, and the units that a round aims at. */
const mostChannelsPerUnit = 96;
const unitsWanted = 8;

/**
 * The weight gradient of a 3x3 convolution, F(3x3, 4x4) with stride 1: tiles of 4x4 cells of dy and the 6x6 cells of x around them (9x9
 * with stride 2) are transformed; at each of 36 points the sums over all tiles of x[tile, c] dy[tile, k] are products of matrices (with
 * stride 2 81 products add to 36 sums); the sums are transformed back once, at the end. Tiles go through in rounds, so that what is
 * transformed stays in the caches. A round's products are divided by weights and never by tiles: partial sums are shared by no two
 * threads, and a sum goes on in its place from one round to the next.
 */
export const winogradGradientWeightWasm = wasmKernel(winogradGradientWeight, (site) => {
  const { attributes, inputs, engine, module } = site;
  const [x, dy] = inputs as readonly [TensorType, TensorType];
  const [, , , inner] = nhwc(winogradGradientWeight.name, x.shape);
  const [, , , outer] = nhwc(winogradGradientWeight.name, dy.shape);
  const tiles = tilesOf(dy.shape);
  const filtering = gradientFilteringOf(attributes.stride);
  const { points, sourceSide, sourceStep } = filtering;
  const rounds = Math.ceil(tiles.count / filtering.tilesPerRound(inner + outer));
  const perRound = Math.ceil(tiles.count / rounds);
  const [xRow, dyRow] = [staggered(inner) * 4, staggered(outer) * 4];
  const sides = {
    x: sideOf(x, { side: sourceSide, transform: filtering.x, factors: filtering.factors.x }, perRound, engine.wide),
    dy: sideOf(dy, { side: outputSide, transform: filtering.dy, factors: filtering.factors.dy }, perRound, engine.wide),
  };
  const panel = panelColumns(engine.wide, outer);
  const panels = Math.ceil(outer / panel);
  const share = Math.ceil(inner / Math.max(Math.ceil(inner / mostChannelsPerUnit), Math.ceil(unitsWanted / panels)));
  const shares = Math.ceil(inner / share);
  const sumsPoint = staggered(share * panel) * 4;
  const unitBytes = filtering.weights * sumsPoint;
  const scratch = {
    x: site.scratch(points * sides.x.pointBytes),
    dy: site.scratch(points * sides.dy.pointBytes),
    patch: site.scratch(Math.max(sourceSide ** 2 * inner, outputSide ** 2 * outer) * 4 + 16, { perThread: true }),
    sums: rounds > 1 ? site.scratch(unitBytes * panels * shares) : site.scratch(unitBytes, { perThread: true }),
  };
  const perTile = Math.max(1, Math.floor(numbersWanted / (points * (inner + outer))));
  for (let round = 0; round < rounds; round++) {
    const first = round * perRound;
    const count = Math.min(perRound, tiles.count - first);
    site.stage({ tiles: Math.ceil(count / perTile) }, (stage) => {
      const { f, tile } = stage;
      const { i32 } = f;
      const start = f.let(i32.mul(tile, perTile));
      const end = f.let(i32.add(atMost(f, i32.add(start, perTile), count), first));
      const index = f.let(i32.add(start, first));
      const range = { index, end, patch: stage.scratch(scratch.patch) };
      const to = (place: typeof scratch.x, row: number) => i32.add(stage.scratch(place), i32.mul(start, row));
      f.call(transformFunction(module, sides.x, tiles, { step: sourceStep, origin: attributes.origin }, xRow), {
        ...range,
        from: stage.input(0),
        to: to(scratch.x, xRow),
      });
      f.call(transformFunction(module, sides.dy, tiles, { step: outputSide, origin: { row: 0, column: 0 } }, dyRow), {
        ...range,
        from: stage.input(1),
        to: to(scratch.dy, dyRow),
      });
    });
    site.stage({ tiles: panels * shares }, (stage) => {
      const { f, tile } = stage;
      const { i32 } = f;
      const part = f.let(i32.remU(tile, shares));
      const column = f.let(i32.divU(tile, shares));
      const sums = rounds > 1 ? f.let(i32.add(stage.scratch(scratch.sums), i32.mul(tile, unitBytes))) : stage.scratch(scratch.sums);
      const place = {
        x: f.let(i32.add(stage.scratch(scratch.x), i32.mul(part, share * 4))),
        dy: f.let(i32.add(stage.scratch(scratch.dy), i32.mul(column, panel * 4))),
        sums,
      };
      const target = f.let(i32.shl(i32.add(i32.mul(part, share * outer), i32.mul(column, panel)), 2));
      forPiece(f, { total: inner, size: share, isLast: () => i32.eq(part, shares - 1) }, (rows) =>
        forPiece(f, { total: outer, size: panel, isLast: () => i32.eq(column, panels - 1) }, (lanes) => {
          const shape = { rows, lanes, panel, count, xRow, dyRow, sumsPoint, tileRows: engine.tileRows };
          const products = productFunction(module, { ...shape, isFirst: round === 0 ? 1 : 0 }, filtering, sides);
          f.call(products, place);
          if (round < rounds - 1) return;
          const back = sumsFunction(module, { rows, lanes, panel, sumsPoint, inner, outer, vectors: sides.x.vectors }, filtering);
          f.call(back, { sums, target: i32.add(stage.output(0), target) });
        }),
      );
    });
  }
});

function sideOf(
  { shape }: TensorType,
  transform: Pick<TransformedTiles, 'side' | 'transform' | 'factors'>,
  perRound: number,
  wide: boolean,
): TransformedTiles {
  const [, height, width, channels] = nhwc(winogradGradientWeight.name, shape);
  const pointBytes = staggered(perRound * staggered(channels)) * 4;
  return { height, width, channels, ...transform, vectors: wide ? 2 : 1, pointBytes };
}

const transformParameters = { from: 'i32', index: 'i32', end: 'i32', patch: 'i32', to: 'i32' } as const;

/** The function that transforms tiles `index` to `end`. */
function transformFunction(
  module: ModuleBuilder,
  tensor: TransformedTiles,
  tiles: ReturnType<typeof tilesOf>,
  { step, origin }: { readonly step: number; readonly origin: Cell },
  rowBytes: number,
): FunctionReference<typeof transformParameters, undefined> {
  const { transform: _, ...key } = tensor;
  const name = `winograd-tiles ${[...Object.values(key), ...Object.values(tiles), step, origin.row, origin.column, rowBytes].join(' ')}`;
  return module.once(name, () =>
    module.function({ name, parameters: transformParameters }, (f, { from, index, end, patch, to }) => {
      const { i32 } = f;
      f.for(index, index, end, 1, () => {
        const { image, row, column } = placeOf(f, tiles, step, index);
        const place = { image, row: f.let(i32.add(row, origin.row)), column: f.let(i32.add(column, origin.column)) };
        emitTransformedTile(f, tensor, { place, from, patch, to });
        f.set(to, i32.add(to, rowBytes));
      });
    }),
  );
}

interface GradientProducts {
  readonly rows: number;
  readonly lanes: number;
  readonly panel: number;
  readonly count: number;
  readonly xRow: number;
  readonly dyRow: number;
  readonly sumsPoint: number;
  readonly tileRows: number;
  readonly isFirst: number;
}

const productParameters = { x: 'i32', dy: 'i32', sums: 'i32' } as const;

/** The function that adds the products of `count` tiles to `rows` by `lanes` sums at every point. */
function productFunction(
  module: ModuleBuilder,
  shape: GradientProducts,
  { points, classes }: GradientFiltering,
  sides: Readonly<Record<'x' | 'dy', TransformedTiles>>,
): FunctionReference<typeof productParameters, undefined> {
  const name = `winograd-gradient-products ${[...Object.values(shape), points, sides.x.pointBytes, sides.dy.pointBytes].join(' ')}`;
  return module.once(name, () =>
    module.function({ name, parameters: productParameters }, (f, { x, dy, sums }) => {
      const { i32 } = f;
      const [xBytes, dyBytes] = [sides.x.pointBytes, sides.dy.pointBytes];
      for (const { weights, products } of classes) {
        const point = f.local.i32();
        f.for(point, 0, weights, 1, () => {
          const [left, target] = [f.let(x), f.let(sums)];
          for (const { rows, count } of cutRows(shape.rows, shape.tileRows)) {
            const i = f.local.i32();
            f.for(i, 0, count, 1, () => {
              f.temporaries(() => emitProducts(f, { ...shape, products, xBytes, dyBytes }, rows, { left, dy, target }));
              f.set(left, i32.add(left, rows * 4));
              f.set(target, i32.add(target, rows * shape.panel * 4));
            });
          }
          f.set(x, i32.add(x, products * xBytes));
          f.set(dy, i32.add(dy, products * dyBytes));
          f.set(sums, i32.add(sums, shape.sumsPoint));
        });
      }
    }),
  );
}

interface SharedSum extends GradientProducts {
  /** Products that add to the same sum, and from one to the next. */
  readonly products: number;
  readonly xBytes: number;
  readonly dyBytes: number;
}

/** All tiles of the round, added to `rows` by `lanes` sums; the first round finds nothing to add to. */
function emitProducts(
  f: FunctionBuilder,
  { lanes, panel, count, xRow, dyRow, isFirst, products, xBytes, dyBytes }: SharedSum,
  rows: number,
  { left, dy, target }: Readonly<Record<'left' | 'dy' | 'target', Local<'i32'>>>,
): void {
  const { i32, v128 } = f;
  const at = (row: number, v: number): number => (row * panel + v * 4) * 4;
  const sums = startSums(f, rows, Math.ceil(lanes / 4), (row, v) => (isFirst ? 0 : v128.load(target, at(row, v), 4)));
  const [own, from, end] = [f.let(dy), f.let(left), f.local.i32()];
  const product = f.local.i32();
  f.for(product, 0, products, 1, () => {
    f.set(end, i32.add(own, count * dyRow));
    sumProducts(f, sums, { at: from, step: xRow, rowBytes: 4 }, { at: own, step: dyRow }, end);
    f.set(from, i32.add(from, xBytes - count * xRow));
    f.set(own, i32.add(own, dyBytes - count * dyRow));
  });
  sums.forEach((ofRow, row) => storePack(f, target, ofRow, ofRow.length * 4, at(row, 0)));
}

interface GradientSums extends Pick<GradientProducts, 'rows' | 'lanes' | 'panel' | 'sumsPoint'> {
  readonly inner: number;
  readonly outer: number;
  readonly vectors: number;
}

const sumsParameters = { sums: 'i32', target: 'i32' } as const;

/** The function that transforms `rows` by `lanes` sums of all points into taps. */
function sumsFunction(
  module: ModuleBuilder,
  shape: GradientSums,
  filtering: GradientFiltering,
): FunctionReference<typeof sumsParameters, undefined> {
  const { rows, lanes, panel, sumsPoint, inner, outer, vectors } = shape;
  const name = `winograd-gradient-taps ${[...Object.values(shape), filtering.points].join(' ')}`;
  return module.once(name, () =>
    module.function({ name, parameters: sumsParameters }, (f, { sums, target }) => {
      const { i32 } = f;
      const constants = constantsFor(f, filtering.factors.sums);
      const row = f.local.i32();
      f.for(row, 0, rows, 1, () => {
        forVectors(f, lanes, vectors, (offset, some) => {
          const [from, to] = [f.let(i32.add(sums, offset)), f.let(i32.add(target, offset))];
          f.temporaries(() =>
            filtering.sums(
              packed(f, constants),
              (i, j) => loadPack(f, from, filtering.sumOf(i, j) * sumsPoint, Math.ceil(some / 4)),
              (tap, values) => storePack(f, to, values, some, tap * inner * outer * 4),
            ),
          );
        });
        f.set(sums, i32.add(sums, panel * 4));
        f.set(target, i32.add(target, outer * 4));
      });
    }),
  );
}
