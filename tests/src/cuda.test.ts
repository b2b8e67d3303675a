import { difference, relativeTo } from '@shoal/conformance';
import type { CudaKernel } from '@shoal/backend-cuda';
import { createRuntime, sizeOf, type Backend, type Runtime } from '@shoal/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOracle } from './conformance/oracle.ts';
import { products, programOf } from './cuda-products.ts';
import { cudaPlugins, onEmulatedCuda } from './cuda.ts';
import { spread, trainingStep } from './training-step.ts';

const compileAll = async (runtime: Runtime): Promise<void> => {
  await runtime.compile(trainingStep().program);
  for (const product of products) await runtime.compile(programOf(product));
};

const declare = (name: string) => (backend: Backend<CudaKernel>) =>
  describe(name, () => {
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
      expect(difference(actual!, expected!, relativeTo(expected!, 2e-6)).ratio).toBeLessThanOrEqual(1);
    });
  });

await onEmulatedCuda(compileAll, declare('cuda, emulated'));
await onEmulatedCuda(compileAll, declare('cuda, generic kernels, emulated'), { generic: true });
