import {
  apply1,
  broadcastShapes,
  checkArity,
  checkDtype,
  checkOptions,
  expression as e,
  formatShape,
  map,
  readsOnly,
  readsSame,
  reshape,
  sameShape,
  ShapeError,
  sizeOf,
  sumTo,
  type AxisReads,
  type Op,
  type Shape,
  type TensorType,
  type Value,
} from '@shoal/core';

export interface MatmulAttributes {
  /** Read `a` as [..., k, m] instead of [..., m, k]. */
  readonly transposeA: boolean;
  /** Read `b` as [..., n, k] instead of [..., k, n]. */
  readonly transposeB: boolean;
}

/** What a kernel loops over. */
export interface MatmulSizes {
  readonly batch: Shape;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

const name = 'math/matmul';

/** The sizes of a product; the two batch shapes broadcast to `batch`. */
export function matmulSizes(a: TensorType, b: TensorType, { transposeA, transposeB }: MatmulAttributes): MatmulSizes {
  for (const [which, { shape, dtype }] of Object.entries({ a, b })) {
    checkDtype(name, which, dtype, 'f32');
    if (shape.length < 2)
      throw new ShapeError({ op: name, fact: `${which} is ${formatShape(shape)}, not a matrix`, next: 'Reshape it to two axes or more' });
  }
  const [rows, inner] = [a.shape.at(transposeA ? -1 : -2)!, a.shape.at(transposeA ? -2 : -1)!];
  const [other, columns] = [b.shape.at(transposeB ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  if (inner !== other) {
    const written = (shape: Shape, transposed: boolean): string => `${formatShape(shape)}${transposed ? ' transposed' : ''}`;
    throw new ShapeError({
      op: name,
      fact: `inner sizes ${inner} and ${other} differ: ${written(a.shape, transposeA)} times ${written(b.shape, transposeB)}`,
      next: 'Make them equal, or transpose one side',
    });
  }
  return { batch: broadcastShapes(name, a.shape.slice(0, -2), b.shape.slice(0, -2)), m: rows, k: inner, n: columns };
}

/** The matrix product of the last two axes, for every position of the leading axes, which broadcast. */
export const matmulOp: Op<MatmulAttributes> = {
  name,
  infer(inputs, attributes) {
    checkArity(name, inputs, 2);
    const { batch, m, n } = matmulSizes(inputs[0]!, inputs[1]!, attributes);
    return [{ shape: [...batch, m, n], dtype: 'f32' }];
  },
  // y = A B with A = a or its transpose, B likewise: dA = dy B', dB = A' dy, each written as a product of the stored tensors.
  vjp({ inputs: [a, b], cotangents: [dy], attributes: { transposeA, transposeB } }) {
    if (!dy) return [null, null];
    const product = (left: Value, right: Value, ta: boolean, tb: boolean): Value =>
      apply1(matmulOp, [left, right], { transposeA: ta, transposeB: tb });
    const da = transposeA ? product(b!, dy, transposeB, true) : product(dy, b!, false, !transposeB);
    const db = transposeB ? product(dy, a!, true, transposeA) : product(a!, dy, !transposeA, false);
    return [sumTo(da, a!.shape), sumTo(db, b!.shape)];
  },
  cost({ inputs: [a, b], attributes }) {
    const { batch, m, k, n } = matmulSizes(a!, b!, attributes);
    return { multiplyAccumulates: sizeOf(batch) * m * k * n };
  },
  absorbScale([a, b], { transposeB }, scale) {
    const perColumn = transposeB ? reshape(scale, [sizeOf(scale.shape), 1]) : scale;
    return [a!, map([b!, perColumn], (w, s) => e.mul(w, s))];
  },
  reads({ inputs: [a, b], outputs: [y], attributes: { transposeA, transposeB } }) {
    const rank = y!.shape.length;
    /** Of the last two axes, the `kept` one (from the end) is that of the output and the other is summed over. */
    const operand = ({ shape }: TensorType, kept: number, along: number): readonly AxisReads[] =>
      shape.map((size, axis) => {
        const fromEnd = axis - shape.length;
        if (fromEnd >= -2) return fromEnd === kept ? readsSame(along) : 'all';
        return size === y!.shape[rank + fromEnd] ? readsSame(rank + fromEnd) : readsOnly(rank + fromEnd);
      });
    return [operand(a!, transposeA ? -1 : -2, rank - 2), operand(b!, transposeB ? -2 : -1, rank - 1)];
  },
};

export interface MatmulOptions {
  /** Default false. */
  readonly transposeA?: boolean;
  /** Default false. */
  readonly transposeB?: boolean;
  /** Added to the product; broadcasts to it, usually [n]. */
  readonly bias?: Value | undefined;
}

/**
 * Matrix product: `a` [..., m, k] times `b` [..., k, n] gives [..., m, n]. Leading axes are equal or broadcast.
 *
 * @throws ShapeError when a rank is below 2, the inner sizes differ, or the leading axes do not broadcast
 */
export function matmul(a: Value, b: Value, options: MatmulOptions = {}): Value {
  checkOptions(name, options, ['transposeA', 'transposeB', 'bias']);
  const { transposeA = false, transposeB = false, bias } = options;
  const product = multiplied(a, b, { transposeA, transposeB });
  if (!bias) return product;
  const shape = broadcastShapes(name, product.shape, bias.shape);
  if (!sameShape(shape, product.shape)) {
    throw new ShapeError({
      op: name,
      fact: `bias ${formatShape(bias.shape)} does not broadcast to ${formatShape(product.shape)}`,
      next: 'Give it one number per column',
    });
  }
  return map([product, bias], (y, c) => e.add(y, c));
}

/** One matrix for a whole batch is one large product, and its gradient needs no sum over the batch. */
function multiplied(a: Value, b: Value, attributes: MatmulAttributes): Value {
  if (b.shape.length !== 2 || a.shape.length <= 2 || attributes.transposeA) return apply1(matmulOp, [a, b], attributes);
  const { batch, m, k, n } = matmulSizes(a, b, attributes);
  return reshape(apply1(matmulOp, [reshape(a, [sizeOf(batch) * m, k]), b], attributes), [...batch, m, n]);
}
