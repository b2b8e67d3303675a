import { conv2d } from '@shoal/conv';
import { collectKernels, emulatedBackend, tensorTiles } from '@shoal/backend-cuda/testing';
import { createRuntime, input, sizeOf, type Runtime } from '@shoal/core';
import { matmul } from '@shoal/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOracle } from './conformance/oracle.ts';
import { gradientTo, programOf, type Product } from './cuda-products.ts';
import { cudaPlugins } from './cuda.ts';

/** A tile of a block, and a product of so many ragged ones that it is chosen: both factors along the depth, or both across it. */
const tile = (rows: number, columns: number, depth: number, batch = 240): readonly Product[] => [
  {
    name: `tiles of ${rows}x${columns}, along the depth`,
    shapes: [
      [batch, rows - 3, depth],
      [batch, columns - 5, depth],
    ],
    build: (x, y) => matmul(x, y, { transposeB: true }),
  },
  {
    name: `tiles of ${rows}x${columns}, across the depth`,
    shapes: [
      [batch, 9, rows - 4],
      [batch, 9, columns - 5],
    ],
    build: (x, y) => matmul(x, y, { transposeA: true }),
  },
];

/** Every tile, in both layouts and with both widths of copies; depths beyond all stages, splits, windows and phases. */
const products: readonly Product[] = [
  ...tile(128, 128, 68),
  ...tile(128, 64, 8),
  ...tile(64, 64, 90),
  ...tile(128, 32, 8),
  ...tile(32, 64, 7),
  ...tile(32, 32, 8, 3),
  {
    name: 'a product',
    shapes: [
      [200, 37],
      [37, 72],
    ],
    build: (x, y) => matmul(x, y),
  },
  {
    name: 'a product of transposed factors',
    shapes: [
      [50, 200],
      [70, 50],
    ],
    build: (x, y) => matmul(x, y, { transposeA: true, transposeB: true }),
  },
  {
    name: 'a deep product, split',
    shapes: [
      [70, 3000],
      [3000, 40],
    ],
    build: (x, y) => matmul(x, y),
  },
  {
    name: 'a convolution',
    shapes: [
      [2, 9, 11, 20],
      [3, 3, 20, 40],
    ],
    build: (x, w) => conv2d(x, w, { padding: 1 }),
  },
  {
    name: 'a convolution of three channels',
    shapes: [
      [1, 13, 11, 3],
      [7, 7, 3, 10],
    ],
    build: (x, w) => conv2d(x, w, { padding: 3, stride: 2 }),
  },
  {
    name: 'a convolution in groups',
    shapes: [
      [2, 9, 7, 24],
      [3, 2, 12, 20],
    ],
    build: (x, w) => conv2d(x, w, { groups: 2, dilation: 2 }),
  },
  {
    name: 'its gradient to the input, in phases',
    shapes: [
      [2, 21, 19, 40],
      [3, 3, 40, 20],
    ],
    build: gradientTo(0, { stride: 2, padding: 1 }),
  },
  {
    name: 'its gradient to the weight',
    shapes: [
      [2, 9, 11, 20],
      [3, 3, 20, 40],
    ],
    build: gradientTo(1, { padding: 1 }),
  },
  {
    name: 'its gradient to the weight, split',
    shapes: [
      [3, 20, 22, 3],
      [3, 3, 3, 18],
    ],
    build: gradientTo(1, { padding: 1 }),
  },
];

const kernels = await collectKernels(
  cudaPlugins,
  async (runtime) => {
    for (const product of products) await runtime.compile(programOf(product));
  },
  { precision: 'tf32' },
);
const backend = await emulatedBackend(kernels, { precision: 'tf32' });

test('every product is one for tensor cores, and they reach every tile with both widths of copies', () => {
  const withFactors = kernels.filter(({ body }) => body.includes('gemm_left'));
  expect(withFactors.filter(({ body }) => !body.includes('SHOAL_MMA'))).toEqual([]);
  const tiles = withFactors.map(({ body }) =>
    [/rowTile \* (\d+);/, /columnTile \* (\d+);/].map((pattern) => Number(pattern.exec(body)![1])),
  );
  expect(new Set(tiles.map(String))).toEqual(new Set(tensorTiles.map(({ rows, columns }) => `${rows},${columns}`)));
  for (const copies of [/_copy1\(lane, gemm_left/, /_copy4\(lane, gemm_left/, /_copy1\(lane, gemm_right/, /_copy4\(lane, gemm_right/])
    expect(withFactors.some(({ body }) => copies.test(body))).toBe(true);
});

if (typeof backend === 'string') test.skip(`tensor core tests skipped: ${backend}`);
else
  describe('products in TF32, by the twin of the tensor cores', () => {
    let runtime: Runtime;
    let oracle: Runtime;
    beforeAll(async () => {
      runtime = await createRuntime(backend, cudaPlugins);
      oracle = await makeOracle();
    });
    afterAll(async () => {
      await runtime.dispose();
      await oracle.dispose();
    });

    // Small whole numbers are exact in TF32, and so are their sums in float32: an element out of place shows.
    test.each(products)('$name is exact in whole numbers', async (product) => {
      const whole = (count: number, salt: number): Float32Array =>
        Float32Array.from({ length: count }, (_, i) => ((i * 7919 + salt) % 7) - 3);
      const feeds = { x: whole(sizeOf(product.shapes[0]), 1), y: whole(sizeOf(product.shapes[1]), 5) };
      const [actual, expected] = await Promise.all(
        [runtime, oracle].map(async (each) => (await (await each.compile(programOf(product))).run(feeds))['z']!),
      );
      expect(actual!.length).toBe(expected!.length);
      expect(expected!.some((value) => value !== 0)).toBe(true);
      expect(expected!.findIndex((value, i) => value !== actual![i])).toBe(-1);
    });

    test('factors are rounded to 10 bits after the point, ties away from zero, and sums are not', async () => {
      const [rows, depth, columns] = [64, 2, 64];
      const executable = await runtime.compile({ outputs: { z: matmul(input('x', [rows, depth]), input('y', [depth, columns])) } });
      const x = Float32Array.from({ length: rows * depth }, (_, i) => (i % 2 === 0 ? -(1 + 2 ** -11) : 2 ** -14));
      const y = Float32Array.from({ length: depth * columns }, (_, i) => (i < columns ? 1 + 2 ** -12 : 1));
      const [first] = (await executable.run({ x, y }))['z']!;
      expect(first).toBe(-(1 + 2 ** -10) + 2 ** -14);
    });
  });
