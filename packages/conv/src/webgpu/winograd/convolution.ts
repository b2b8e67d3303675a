import {
  elements,
  gemm,
  ravel,
  readAt,
  unravel,
  wgslKernel,
  writeAt,
  type Dispatch,
  type WgslInput,
  type WgslScratch,
} from '@shoal/backend-webgpu';
import { nhwc, type Op, type Shape } from '@shoal/core';
import { outputSide, points, sourceSide, tilesOf } from '../../winograd/tiles.ts';
import { transformProducts, transformSource } from '../../winograd/transforms.ts';
import { along, cellOrZero, widthOf } from '../products.ts';
import { printed } from './arithmetic.ts';

export interface WinogradAttributes {
  readonly outputShape: Shape;
  /** The source cell that the first tap of the first output cell reads. What lies outside of the source is zero. */
  readonly origin: { readonly row: number; readonly column: number };
}

/**
 * A convolution F(4x4, 3x3). Inputs: the source [n, h, w, inner], transformed weights [36, inner, outer] and, optionally, a bias
 * [outer].
 */
export const winogradConvolution: Op<WinogradAttributes> = {
  name: 'conv/webgpu-winograd',
  infer: (_, { outputShape }) => [{ shape: outputShape, dtype: 'f32' }],
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: ({ inputs: [, weight], attributes }) => {
    const [, inner, outer] = weight!.shape;
    return { multiplyAccumulates: tilesOf(attributes.outputShape).count * points * inner! * outer! };
  },
};

/** Tiles of the source are transformed, multiplied with the weights in 36 products of matrices, and transformed back. */
export const winogradConvolutionWebgpu = wgslKernel(winogradConvolution, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [source, weight, bias],
      outputs: [y],
      attributes: { outputShape, origin },
    } = site;
    const [, inner, outer] = weight!.shape;
    const { count } = tilesOf(outputShape);
    const sources = site.scratch('f32', points * count * inner!);
    const products = site.scratch('f32', points * count * outer!);
    const [innerWidth, outerWidth] = [widthOf(inner!), widthOf(outer!)];
    return [
      toPoints(source!, sources, outputShape, origin),
      ...gemm(site, {
        batch: points,
        rows: count,
        columns: outer!,
        depth: inner!,
        left: along('depth', innerWidth, {
          load: `return ${readAt(sources, `(batch * ${count} + origin.x) * ${inner!} + k`, innerWidth)};`,
        }),
        right: along('side', outerWidth, {
          load: `return ${readAt(weight!, `(batch * ${inner!} + k) * ${outer!} + origin.x`, outerWidth)};`,
        }),
        vectorWrite: outerWidth === 4,
        write: ({ batch, row, column }, value) =>
          writeAt(products, `(${batch} * ${count} + ${row}) * ${outer!} + ${column}`, value, outerWidth),
      }),
      fromPoints(products, outputShape, (index, value) => y!.write(index, bias ? `${value} + ${bias.read('c')}` : value)),
    ];
  },
});

/** A thread transforms a tile of one channel: 6x6 cells to 36 points. */
function toPoints(
  source: WgslInput,
  sources: WgslScratch,
  outputShape: Shape,
  { row: firstRow, column: firstColumn }: WinogradAttributes['origin'],
): Dispatch {
  const [batch, height, width, channels] = nhwc(winogradConvolution.name, source.shape);
  const { down, across, count } = tilesOf(outputShape);
  const at = (h: string, w: string): string => source.read(ravel(source.shape, ['n', h, w, 'c']));
  const declarations = `fn winograd_cell(n: i32, h: i32, w: i32, c: i32) -> f32 {\n${cellOrZero({ height, width }, 1, at)}\n}\n`;
  const print = printed();
  const read = print.once((row, column) => `winograd_cell(n, row0 + ${row}, column0 + ${column}, c)`);
  transformSource(print.arithmetic, read, (point, value) => print.add(sources.write(`${point * count * channels} + i`, value)));
  const body = `${unravel('i', [batch, down, across, channels], ['n', 'down', 'across', 'c'])}let row0 = down * ${outputSide} + ${firstRow};
let column0 = across * ${outputSide} + ${firstColumn};
${print.text()}`;
  return elements(count * channels, body, declarations);
}

/** A thread transforms 36 products of one channel back to the 4x4 cells of a tile, as many of them as lie on the map. */
function fromPoints(products: WgslScratch, outputShape: Shape, write: (index: string, value: string) => string): Dispatch {
  const [batch, height, width, channels] = nhwc(winogradConvolution.name, outputShape);
  const { down, across, count } = tilesOf(outputShape);
  const print = printed();
  const read = print.once((row, column) => products.read(`${(row * sourceSide + column) * count * channels} + i`));
  transformProducts(print.arithmetic, read, (row, cells) => {
    const stores = cells.map((value, column) => {
      const store = write(`((n * ${height} + row0 + ${row}) * ${width} + column0 + ${column}) * ${channels} + c`, value);
      return width % outputSide === 0 ? store : `if (column0 + ${column} < ${width}) { ${store} }`;
    });
    const all = stores.join('\n');
    print.add(height % outputSide === 0 ? all : `if (row0 + ${row} < ${height}) {\n${all}\n}`);
  });
  const body = `${unravel('i', [batch, down, across, channels], ['n', 'down', 'across', 'c'])}let row0 = down * ${outputSide};
let column0 = across * ${outputSide};
${print.text()}`;
  return elements(count * channels, body);
}
