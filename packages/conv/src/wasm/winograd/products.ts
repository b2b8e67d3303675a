import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '@shoal/backend-wasm/encoder';
import { cutRows, startSums, storePack, sumProducts } from '@shoal/backend-wasm';

/** A product of matrices for one point: `rows` tiles by `lanes` output channels, summed over `inner` channels. Distances in bytes. */
export interface ProductShape {
  readonly rows: number;
  readonly lanes: number;
  readonly inner: number;
  /** From one tile to the next, in the sources and in the products. */
  readonly sourceRow: number;
  readonly productRow: number;
  readonly panel: number;
  /** Most rows of a register tile. */
  readonly tileRows: number;
}

const parameters = { source: 'i32', weight: 'i32', product: 'i32' } as const;

export type ProductFunction = FunctionReference<typeof parameters, undefined>;

/** The function that multiplies the sources of a block of tiles with one panel of weights. */
export function productFunction(module: ModuleBuilder, shape: ProductShape): ProductFunction {
  const name = `winograd-products ${Object.values(shape).join(' ')}`;
  return module.once(name, () =>
    module.function({ name, parameters }, (f, { source, weight, product }) => {
      const { i32 } = f;
      for (const { rows, count } of cutRows(shape.rows, shape.tileRows)) {
        const i = f.local.i32();
        f.for(i, 0, count, 1, () => {
          f.temporaries(() => emitProduct(f, shape, rows, source, weight, product));
          f.set(source, i32.add(source, rows * shape.sourceRow));
          f.set(product, i32.add(product, rows * shape.productRow));
        });
      }
    }),
  );
}

/** `cells` tiles by one panel, held in registers over the whole sum. */
function emitProduct(
  f: FunctionBuilder,
  { lanes, inner, sourceRow, productRow, panel }: ProductShape,
  cells: number,
  source: Local<'i32'>,
  weight: Local<'i32'>,
  product: Local<'i32'>,
): void {
  const { i32 } = f;
  const sums = startSums(f, cells, Math.ceil(lanes / 4));
  const end = f.let(i32.add(weight, inner * panel * 4));
  sumProducts(f, sums, { at: f.let(source), step: 4, rowBytes: sourceRow }, { at: f.let(weight), step: panel * 4 }, end);
  sums.forEach((ofCell, cell) => storePack(f, product, ofCell, ofCell.length * 4, cell * productRow));
}
