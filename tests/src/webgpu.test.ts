import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import {
  createRuntime,
  gradients,
  input,
  reshape,
  sizeOf,
  stopGradient,
  variable,
  type Program,
  type Runtime,
  type Shape,
  type Value,
  type Variable,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { matmul, relu, sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { batchNorm } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onWebgpu } from './webgpu.ts';

const spread = (count: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => scale * ((((i + 1) * 7919) % 2003) / 1001.5 - 1));

/** A small network with everything a training step needs: convolution, batch norm, max pooling, a classifier, momentum. */
function trainingStep(): { program: Program; variables: readonly Variable[] } {
  const x = input('x', [3, 9, 8, 2]);
  const labels = input('labels', [3], 'i32');
  const filter = variable('filter', [3, 3, 2, 10], spread(180, 0.3));
  const [gamma, beta, mean, variance] = [
    variable('gamma', [10], 1),
    variable('beta', [10]),
    variable('mean', [10]),
    variable('variance', [10], 1),
  ];
  const dense = variable('dense', [160, 5], spread(800, 0.2));
  const normal = batchNorm(conv2d(x, filter, { padding: 'same' }), { gamma, beta, mean, variance }, { train: true });
  const pooled = maxPool2d(relu(normal.output), { window: 2 });
  const loss = softmaxCrossEntropy(matmul(reshape(pooled, [3, 160]), dense), labels, { reduction: 'mean' });
  const parameters = [filter, gamma, beta, dense];
  const { updates, state } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.05, momentum: 0.9 });
  return { program: { outputs: { loss }, updates: [...updates, ...normal.updates] }, variables: [...parameters, mean, variance, ...state] };
}

await onWebgpu((backend) =>
  describe('webgpu', () => {
    let runtime: Runtime;
    let oracle: Runtime;
    beforeAll(async () => {
      runtime = await createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
      oracle = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
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

    /** The largest error against the reference, relative to the largest value. */
    const errorOf = async (build: (x: Value, y: Value) => Value, xShape: Shape, yShape: Shape): Promise<number> => {
      const [x, y] = [input('x', xShape), input('y', yShape)];
      const feeds = { x: spread(sizeOf(xShape)), y: spread(sizeOf(yShape), 0.7) };
      const program = { outputs: { z: build(x, y) } };
      const [actual, expected] = await Promise.all(
        [runtime, oracle].map(async (each) => (await (await each.compile(program)).run(feeds))['z']!),
      );
      return Math.max(...expected!.map((value, i) => Math.abs(value - actual![i]!))) / Math.max(...expected!.map(Math.abs));
    };
    const weightGradient =
      (options: Conv2dOptions) =>
      (x: Value, w: Value): Value => {
        const y = conv2d(x, w, options);
        return gradients(y, [w], { seed: stopGradient(y) })[0]!;
      };
    test('a deep product with few elements is split along its depth', async () => {
      expect(await errorOf((x, y) => matmul(x, y, { transposeA: true }), [5000, 3], [5000, 18])).toBeLessThan(1e-6);
    });
    test('tiles at ragged edges', async () => {
      expect(await errorOf((x, y) => matmul(x, y, { transposeB: true }), [2, 37, 21], [2, 45, 21])).toBeLessThan(1e-6);
    });
    test('a weight gradient over many cells', async () => {
      expect(await errorOf(weightGradient({ stride: 2, padding: 1 }), [2, 40, 36, 3], [3, 3, 3, 9])).toBeLessThan(2e-6);
    });
    test('a depthwise weight gradient over many cells', async () => {
      expect(await errorOf(weightGradient({ groups: 4 }), [2, 80, 70, 4], [2, 3, 1, 4])).toBeLessThan(2e-6);
    });
  }),
);
