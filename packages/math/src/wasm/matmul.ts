import { panelColumns, wasmKernel } from '@shoal/backend-wasm';
import { apply1, fill, reshape, type Lowering, type Op, type Shape, type TensorType, type Value } from '@shoal/core';
import { matmulOp, matmulSizes, type MatmulAttributes, type MatmulSizes } from '../matmul.ts';
import { emitDots } from './dots.ts';
import { packOp } from './pack.ts';
import { emitProduct, productInPlace } from './product.ts';

interface PackedAttributes extends MatmulAttributes {
  /** Shape of b before it was packed. */
  readonly bShape: Shape;
  readonly panel: number;
}

const unpacked = (b: Shape): TensorType => ({ shape: b, dtype: 'f32' });

/** A product whose right operand is packed: see {@link packOp}. */
export const packedProductOp: Op<PackedAttributes> = {
  name: 'math/wasm-product',
  infer: ([a], attributes) => {
    const { batch, m, n } = matmulSizes(a!, unpacked(attributes.bShape), attributes);
    return [{ shape: [...batch, m, n], dtype: 'f32' }];
  },
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: ({ inputs: [a], attributes }) => matmulOp.cost({ inputs: [a!, unpacked(attributes.bShape)], outputs: [], attributes }),
};

/** Vectors of columns in a micro-tile of one to four rows whose right operand is read where it lies. */
const vectorsOf = [0, 8, 4, 3, 2];

/** Few rows use each number of b few times: packing it would cost more than the product. */
const usesDots = ({ m }: MatmulSizes, { transposeA, transposeB }: MatmulAttributes): boolean =>
  transposeB && (m === 1 || (m === 2 && !transposeA));
const usesRows = ({ m }: MatmulSizes, { transposeB }: MatmulAttributes): boolean => !transposeB && m < vectorsOf.length;

function lower([a, b]: readonly Value[], attributes: MatmulAttributes, { device }: Lowering): readonly Value[] | null {
  const sizes = matmulSizes(a!, b!, attributes);
  const { batch, m, k, n } = sizes;
  const { transposeA, transposeB } = attributes;
  const shape = [...batch, m, n];
  if (k === 0) return [fill(0, shape)];
  // One column: its transpose is one row, and lies in memory the same way.
  if (n === 1 && m > 1) return [reshape(apply1(matmulOp, [b!, a!], { transposeA: !transposeB, transposeB: !transposeA }), shape)];
  if (usesDots(sizes, attributes) || usesRows(sizes, attributes)) return null;
  const panel = panelColumns(device.flags['wide'] === true, n);
  const packed = apply1(packOp, [b!], { transposed: transposeB, panel });
  return [apply1(packedProductOp, [a!, packed], { ...attributes, bShape: b!.shape, panel })];
}

const lead = ({ shape }: TensorType): Shape => shape.slice(0, -2);

/** Distances of a's rows and columns. */
const strides = ({ m, k }: MatmulSizes, { transposeA }: MatmulAttributes): { readonly row: number; readonly step: number } =>
  transposeA ? { row: 4, step: m * 4 } : { row: k * 4, step: 4 };

export const matmulWasm = wasmKernel(
  matmulOp,
  (site) => {
    const [a, b] = [site.inputs[0]!, site.inputs[1]!];
    const sizes = matmulSizes(a, b, site.attributes);
    const { k, n, m } = sizes;
    if (site.attributes.transposeB) return emitDots(site, { ...sizes, a: lead(a), b: lead(b) });
    const columns = vectorsOf[m]! * 4;
    return emitProduct(site, {
      ...sizes,
      a: { lead: lead(a), ...strides(sizes, site.attributes) },
      b: { lead: lead(b), bytes: k * n * 4, columns, panel: columns * 4, step: n * 4 },
    });
  },
  {
    lower,
    fusion: { epilogue: true, slice: true },
    inPlace: ({ inputs: [a, b], attributes }) => productInPlace(matmulSizes(a!, b!, attributes)),
  },
);

export const packedProductWasm = wasmKernel(
  packedProductOp,
  (site) => {
    const a = site.inputs[0]!;
    const b = unpacked(site.attributes.bShape);
    const sizes = matmulSizes(a, b, site.attributes);
    const { k, n } = sizes;
    const { panel } = site.attributes;
    const bytes = k * panel * 4;
    emitProduct(site, {
      ...sizes,
      a: { lead: lead(a), ...strides(sizes, site.attributes) },
      b: { lead: lead(b), bytes: Math.ceil(n / panel) * bytes, columns: panel, panel: bytes, step: panel * 4 },
    });
  },
  {
    fusion: { epilogue: true, slice: true },
    inPlace: ({ inputs: [a], attributes }) => productInPlace(matmulSizes(a!, unpacked(attributes.bShape), attributes)),
  },
);
