import { conv2d } from '@shoal/conv';
import { collectKernels, emulatedBackend } from '@shoal/backend-cuda/testing';
import { createRuntime, input, sizeOf, type Runtime } from '@shoal/core';
import { matmul } from '@shoal/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOracle } from './conformance/oracle.ts';
import { gradientTo, programOf, type Product } from './cuda-products.ts';
import { cudaPlugins } from './cuda.ts';

/** Large enough for whole fragments, and ragged. */
const products: readonly Product[] = [
  {
    name: 'a product',
    shapes: [
      [200, 37],
      [37, 70],
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
    name: 'many products in the largest tiles',
    shapes: [
      [64, 129, 9],
      [64, 9, 131],
    ],
    build: (x, y) => matmul(x, y),
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
];

const kernels = await collectKernels(
  cudaPlugins,
  async (runtime) => {
    for (const product of products) await runtime.compile(programOf(product));
  },
  { precision: 'tf32' },
);
const backend = await emulatedBackend(kernels, { precision: 'tf32' });

test('every product is one for tensor cores', () => {
  const withDepth = kernels.filter(({ body }) => body.includes('gemm_left'));
  expect(withDepth.length).toBeGreaterThan(products.length);
  expect(withDepth.filter(({ body }) => !body.includes('SHOAL_MMA'))).toEqual([]);
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
