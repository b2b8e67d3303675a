import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { apply, expression as e, gradients, input, map, reduce, stopGradient, type Program, type Shape, type Value } from '@shoal/core';
import { matmul } from '@shoal/math';
import { batchNormOp } from '@shoal/residual';

/** A product of two inputs, by what it is for. */
export interface Product {
  readonly name: string;
  readonly shapes: readonly [Shape, Shape];
  readonly build: (x: Value, y: Value) => Value;
}

/** The gradient of a convolution to its input (0) or its weight (1). */
export const gradientTo =
  (which: 0 | 1, options: Conv2dOptions) =>
  (x: Value, w: Value): Value => {
    const y = conv2d(x, w, options);
    return gradients(y, [which === 0 ? x : w], { seed: stopGradient(y) })[0]!;
  };

/** The gradient of a batch norm to its input. */
const normalisedGradient = (x: Value, scale: Value): Value => {
  const y = apply(batchNormOp, [x, scale, scale], { epsilon: 1e-5 })[0]!;
  const upstream = map([y], (a) => e.mul(a, a));
  return gradients(y, [x], { seed: stopGradient(upstream) })[0]!;
};

/** Sizes that reach what small cases do not: large tiles with ragged edges, splits, chunks of terms, every phase of a stride. */
export const products: readonly Product[] = [
  {
    name: 'a deep product with few elements, split',
    shapes: [
      [5000, 3],
      [5000, 18],
    ],
    build: (x, y) => matmul(x, y, { transposeA: true }),
  },
  {
    name: 'tiles at ragged edges',
    shapes: [
      [2, 37, 21],
      [2, 45, 21],
    ],
    build: (x, y) => matmul(x, y, { transposeB: true }),
  },
  {
    name: 'large tiles at ragged edges',
    shapes: [
      [64, 129, 5],
      [64, 5, 131],
    ],
    build: (x, y) => matmul(x, y),
  },
  {
    name: 'tall tiles',
    shapes: [
      [4100, 9],
      [9, 37],
    ],
    build: (x, y) => matmul(x, y),
  },
  {
    name: 'a convolution in groups',
    shapes: [
      [2, 17, 19, 18],
      [3, 2, 9, 20],
    ],
    build: (x, w) => conv2d(x, w, { groups: 2, padding: 'same' }),
  },
  {
    name: 'a weight gradient over many cells',
    shapes: [
      [2, 40, 36, 3],
      [3, 3, 3, 9],
    ],
    build: gradientTo(1, { stride: 2, padding: 1 }),
  },
  {
    name: 'a depthwise weight gradient over many cells',
    shapes: [
      [2, 80, 70, 4],
      [2, 3, 1, 4],
    ],
    build: gradientTo(1, { groups: 4 }),
  },
  {
    name: 'an input gradient in phases',
    shapes: [
      [2, 14, 11, 9],
      [3, 4, 9, 10],
    ],
    build: gradientTo(0, { stride: 2, padding: 1 }),
  },
  {
    name: 'an input gradient whose phases are partly empty',
    shapes: [
      [1, 15, 17, 8],
      [2, 3, 8, 9],
    ],
    build: gradientTo(0, { stride: { height: 4, width: 3 }, dilation: { height: 2, width: 2 }, padding: { left: 2, bottom: 1 } }),
  },
  { name: 'column sums in chunks', shapes: [[9000, 5], [1]], build: (x) => reduce(x, { kind: 'sum', axes: [0] }) },
  { name: 'many column sums', shapes: [[700, 45], [1]], build: (x) => reduce(x, { kind: 'sum', axes: [0] }) },
  { name: 'row maxima', shapes: [[3, 9001], [1]], build: (x) => reduce(x, { kind: 'max', axes: [1] }) },
  { name: 'one minimum', shapes: [[70_001], [1]], build: (x) => reduce(x, { kind: 'min', axes: [0] }) },
  { name: 'batch norm over many cells', shapes: [[3, 40, 30, 6], [6]], build: normalisedGradient },
];

export const programOf = ({ shapes, build }: Product): Program => {
  const [x, y] = [input('x', shapes[0]), input('y', shapes[1])];
  return { outputs: { z: build(x, y) } };
};
