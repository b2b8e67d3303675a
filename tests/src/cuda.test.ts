import { difference, relativeTo } from '@shoal/conformance';
import { conv2d, type Conv2dOptions } from '@shoal/conv';
import {
  apply,
  createRuntime,
  expression as e,
  gradients,
  input,
  map,
  reduce,
  sizeOf,
  stopGradient,
  type Runtime,
  type Shape,
  type Value,
} from '@shoal/core';
import { matmul } from '@shoal/math';
import { batchNormOp } from '@shoal/residual';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOracle } from './conformance/oracle.ts';
import { cudaPlugins, onEmulatedCuda } from './cuda.ts';
import { spread, trainingStep } from './training-step.ts';

/** A product of two inputs, by what it is for. */
interface Product {
  readonly name: string;
  readonly shapes: readonly [Shape, Shape];
  readonly build: (x: Value, y: Value) => Value;
}

/** The gradient of a convolution to its input (0) or its weight (1). */
const gradientTo =
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
const products: readonly Product[] = [
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

const programOf = ({ shapes, build }: Product) => {
  const [x, y] = [input('x', shapes[0]), input('y', shapes[1])];
  return { outputs: { z: build(x, y) } };
};

const compileAll = async (runtime: Runtime): Promise<void> => {
  await runtime.compile(trainingStep().program);
  for (const product of products) await runtime.compile(programOf(product));
};

await onEmulatedCuda(compileAll, (backend) =>
  describe('cuda, emulated', () => {
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

    test('five training steps stay with the reference, twice the same bits', async () => {
      const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
      const train = async (on: Runtime): Promise<readonly (readonly number[])[]> => {
        const { program, variables } = trainingStep();
        const executable = await on.compile(program);
        const losses: number[] = [];
        for (let step = 0; step < 5; step++) losses.push((await executable.run(feeds))['loss']![0]!);
        return [losses, ...(await Promise.all(variables.map(async (each) => [...(await on.read(each))])))];
      };
      const [first, second, expected] = [await train(runtime), await train(runtime), await train(oracle)];
      expect(first).toEqual(second);
      expect(expected[0]![4]).toBeLessThan(expected[0]![0]! / 2);
      expected.forEach((values, k) =>
        values.forEach((value, i) => expect(Math.abs(first[k]![i]! - value)).toBeLessThan(2e-5 * Math.max(1, Math.abs(value)))),
      );
    });

    test.each(products)('$name', async (product) => {
      const feeds = { x: spread(sizeOf(product.shapes[0])), y: spread(sizeOf(product.shapes[1]), 0.7) };
      const [actual, expected] = await Promise.all(
        [runtime, oracle].map(async (each) => {
          const executable = await each.compile(programOf(product));
          const { inputs } = executable;
          return (await executable.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.includes(name)))))['z']!;
        }),
      );
      const { ratio, worst } = difference(actual!, expected!, relativeTo(expected!, 2e-6));
      expect(ratio, worst).toBeLessThanOrEqual(1);
    });
  }),
);
