import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import {
  apply,
  constant,
  createRuntime,
  expression as e,
  gradients,
  input,
  map,
  sizeOf,
  stopGradient,
  type Runtime,
  type Shape,
  type TensorData,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { matmul } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { batchNormOp } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spread, trainingStep } from './training-step.ts';
import { onWebgpu } from './webgpu.ts';

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

    /** The largest error, relative to the largest value. */
    const relativeError = (actual: TensorData, expected: TensorData): number => {
      const [found, right] = [Array.from(actual), Array.from(expected)];
      const most = (values: readonly number[]): number => values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      return most(right.map((value, i) => value - found[i]!)) / most(right);
    };
    /** That of a result, against the reference. */
    const errorOf = async (build: (x: Value, y: Value) => Value, xShape: Shape, yShape: Shape): Promise<number> => {
      const [x, y] = [input('x', xShape), input('y', yShape)];
      const feeds = { x: spread(sizeOf(xShape)), y: spread(sizeOf(yShape), 0.7) };
      const program = { outputs: { z: build(x, y) } };
      const [actual, expected] = await Promise.all(
        [runtime, oracle].map(async (each) => (await (await each.compile(program)).run(feeds))['z']!),
      );
      return relativeError(actual!, expected!);
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
    // Every tile of the menu, ragged, with factors read one by one and four at a time.
    test.each([
      [1027, 21, 45],
      [1030, 24, 68],
      [2051, 36, 28],
      [25, 12, 4100],
      [70, 40, 100],
      [1500, 20, 12],
      [9, 20, 12],
      [9, 3, 10],
    ])('products of %d x %d by %d', async (m, k, n) => {
      expect(await errorOf((x, y) => matmul(x, y), [m, k], [k, n])).toBeLessThan(1e-6);
      expect(await errorOf((x, y) => matmul(x, y, { transposeA: true, transposeB: true }), [k, m], [n, k])).toBeLessThan(1e-6);
    });
    test('the gradient to the input of strides that the window does not divide by', async () => {
      const options = { stride: { height: 2, width: 3 }, dilation: { height: 3, width: 2 }, padding: 2 };
      const inputGradient = (x: Value, w: Value): Value => {
        const y = conv2d(x, w, options);
        return gradients(y, [x], { seed: stopGradient(y) })[0]!;
      };
      expect(await errorOf(inputGradient, [2, 13, 17, 12], [3, 4, 12, 8])).toBeLessThan(2e-6);
    });
    test('an epilogue of four at a time reads along, once and by channel', async () => {
      const build = (x: Value, w: Value): Value =>
        map([conv2d(x, w, { padding: 1 }), x, constant([1, 2, 3, 4, 5, 6, 7, 8], [8]), constant(3, [])], (y, r, c, s) =>
          e.add(e.mul(y, c), e.mul(r, s)),
        );
      expect(await errorOf(build, [1, 5, 7, 8], [3, 3, 8, 8])).toBeLessThan(2e-6);
    });
    // Bands of fewer and of more results than a workgroup takes, one by one and four at a time; so many cells that workgroups share them.
    test.each([3, 12, 65])('batch norm of %i channels over many cells, around a large mean', async (channels) => {
      const [x, gamma, beta] = [input('x', [2, 73, 67, channels]), input('gamma', [channels]), input('beta', [channels])];
      const [y, mean, variance] = apply(batchNormOp, [x, gamma, beta], { epsilon: 1e-5 });
      const seed = input('seed', x.shape);
      const [dx, dGamma, dBeta] = gradients(y!, [x, gamma, beta], { seed });
      const program = { outputs: { y: y!, mean: mean!, variance: variance!, dx: dx!, dGamma: dGamma!, dBeta: dBeta! } };
      const size = sizeOf(x.shape);
      const feeds = {
        x: spread(size).map((value) => 10 + value),
        gamma: spread(channels, 2),
        beta: spread(channels),
        seed: spread(size).map((value) => value * (value + 0.5)),
      };
      const [actual, expected] = await Promise.all([runtime, oracle].map(async (each) => (await each.compile(program)).run(feeds)));
      const errors = Object.keys(expected!).map((name) => [name, relativeError(actual![name]!, expected![name]!)] as const);
      expect(errors.filter(([name, error]) => !(error < (name === 'mean' ? 1e-7 : 2e-6)))).toEqual([]);
    });
    test('a weight gradient over many cells', async () => {
      expect(await errorOf(weightGradient({ stride: 2, padding: 1 }), [2, 40, 36, 3], [3, 3, 3, 9])).toBeLessThan(2e-6);
    });
    // Depthwise by four and by one, four channels in a group, and fours that lie across groups.
    test.each([
      [4, 1, 1],
      [5, 1, 1],
      [2, 3, 4],
      [4, 2, 3],
      [3, 2, 2],
    ])('a weight gradient of %i groups of %i to %i channels over many cells', async (groups, inner, outer) => {
      expect(await errorOf(weightGradient({ groups }), [2, 80, 70, groups * inner], [2, 3, inner, groups * outer])).toBeLessThan(2e-6);
    });
    test('a batch of more images than 131', async () => {
      const build = (x: Value, w: Value): Value => maxPool2d(conv2d(x, w, { padding: 1 }), { window: 2 });
      expect(await errorOf(build, [140, 6, 5, 4], [3, 3, 4, 7])).toBeLessThan(2e-6);
    });
    test('a tensor of more than 128 MiB, what one binding has without asking for more', async () => {
      const side = 5900;
      const x = input('x', [1, side, side, 1]);
      expect(4 * sizeOf(x.shape)).toBeGreaterThan(2 ** 27);
      const executable = await runtime.compile({ outputs: { y: maxPool2d(x, { window: 2 }) } });
      const cells = Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => (i * 31) % 1009);
      const { y } = await executable.run({ x: cells });
      executable.dispose();
      const half = side / 2;
      const wrong = y!.findIndex((value, i) => {
        const at = Math.floor(i / half) * 2 * side + (i % half) * 2;
        return value !== Math.max(cells[at]!, cells[at + 1]!, cells[at + side]!, cells[at + side + 1]!);
      });
      expect(wrong).toBe(-1);
    });
  }),
);
