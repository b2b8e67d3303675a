import { createRuntime, wasm } from '@shoal/backend-wasm';
import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm, inferenceConvWasm } from '@shoal/conv/wasm';
import {
  apply,
  concat,
  expression as e,
  input,
  map,
  sizeOf,
  type Program,
  type Runtime,
  type Shape,
  type TensorData,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { batchNormOp } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const kernels = [convWasm, residualWasm, mathWasm];
const definitions = [convReference, residualReference, mathReference];
const differences = comparison({ wasm: kernels, reference: definitions });

let runtimes: readonly Runtime[];
beforeAll(async () => {
  runtimes = [
    await createRuntime(wasm({ threads: 1 }), kernels),
    await createRuntime(wasm({ threads: 3 }), kernels),
    await createRuntime(wasm({ threads: 1, precision: 'strict' }), kernels),
    await createRuntime(reference(), definitions),
  ];
});
afterAll(async () => {
  for (const runtime of runtimes) await runtime.dispose();
});

const [ofMoments, ofRows] = ['residual/wasm-batch-norm-of-moments', 'residual/batch-norm'];

async function stepsOf(program: Program, runtime = runtimes[0]!): Promise<readonly string[]> {
  const executable = await runtime.compile(program);
  executable.dispose();
  return executable.schedule.steps.map(({ node }) => node.op.name);
}

interface Layer {
  readonly x: Shape;
  readonly weight: Shape;
  readonly options: Conv2dOptions;
  /** What the convolution becomes. */
  readonly step: 'conv/wasm-taps' | 'conv/wasm-winograd';
}

const same = { padding: 'same' } as const;
const [taps, winograd] = ['conv/wasm-taps', 'conv/wasm-winograd'] as const;
const layers: Readonly<Record<string, Layer>> = {
  '1x1, rows joined over the batch': { x: [3, 7, 7, 5], weight: [1, 1, 5, 19], options: {}, step: taps },
  '1x1, one channel': { x: [2, 9, 5, 3], weight: [1, 1, 3, 1], options: {}, step: taps },
  '7x7/2, several rows to a tile, the last fewer': {
    x: [2, 37, 43, 3],
    weight: [7, 7, 3, 18],
    options: { stride: 2, padding: 3 },
    step: taps,
  },
  '3x3/2, rows longer than a tile': { x: [1, 9, 131, 6], weight: [3, 3, 6, 33], options: { stride: 2, padding: 1 }, step: taps },
  '3x3, dilated': { x: [2, 15, 14, 8], weight: [3, 3, 8, 12], options: { dilation: 2, padding: 2 }, step: taps },
  '2 groups to 8 channels each': { x: [2, 12, 10, 6], weight: [3, 3, 3, 16], options: { ...same, groups: 2 }, step: taps },
  '3x3 of 4x4 cells, ragged, few blocks': { x: [2, 21, 19, 20], weight: [3, 3, 20, 24], options: same, step: winograd },
  '3x3 of 4x4 cells, many blocks': { x: [4, 29, 30, 16], weight: [3, 3, 16, 37], options: same, step: winograd },
  '3x3 of 4x4 cells, slices': { x: [1, 22, 25, 24], weight: [3, 3, 24, 150], options: { padding: 0 }, step: winograd },
  '3x3 of 2x2 cells, small maps': { x: [4, 9, 8, 32], weight: [3, 3, 32, 36], options: same, step: winograd },
};

const normalised = (x: Value, epsilon = 1e-5): readonly Value[] => {
  const c = x.shape.at(-1)!;
  return apply(batchNormOp, [x, input('gamma', [c]), input('beta', [c])], { epsilon });
};
const parametersOf = (c: number) => ({ gamma: noise(c, 3).map((u) => 1 + u / 2), beta: noise(c, 4) });
const largest = (data: Iterable<number>): number => Array.from(data).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe.each(Object.entries(layers))('%s', (_, { x: shape, weight: weightShape, options, step }) => {
  const [x, weight, bias] = [input('x', shape), input('weight', weightShape), input('bias', [weightShape[3]!])];
  const z = conv2d(x, weight, { ...options, bias });
  const [y, mean, variance] = normalised(z);
  const feeds = {
    x: noise(sizeOf(shape), 1),
    weight: noise(sizeOf(weightShape), 2),
    bias: noise(weightShape[3]!, 6),
    ...parametersOf(weightShape[3]!),
  };

  test('the convolution leaves what batch norm joins', async () => {
    const steps = await stepsOf({ outputs: { y: y! } });
    expect(steps).toContain(step);
    expect(steps.filter((name) => name.includes('batch-norm'))).toEqual([ofMoments]);
  });

  /** The largest error, in units of the largest number, beside the very numbers that the convolution computed. */
  const errorOf = async (given: Readonly<Record<string, TensorData | Float32Array>>): Promise<number> => {
    const found = await Promise.all(
      runtimes.slice(0, 3).map(async (runtime) => {
        const executable = await runtime.compile({ outputs: { z, y: y!, mean: mean!, variance: variance! } });
        const results = await executable.run(given);
        executable.dispose();
        return results;
      }),
    );
    for (const name of ['z', 'y', 'mean', 'variance']) expect(found[1]![name]).toEqual(found[0]![name]);
    let most = 0;
    for (const results of found) {
      const [exactY, exactMean, exactVariance] = normalised(input('z', z.shape));
      const executable = await runtimes[3]!.compile({ outputs: { y: exactY!, mean: exactMean!, variance: exactVariance! } });
      const exact = await executable.run({ z: results['z']!, gamma: given['gamma']!, beta: given['beta']! });
      executable.dispose();
      for (const name of ['y', 'mean', 'variance']) {
        const off = largest(Array.from(results[name]!, (value, i) => value - exact[name]![i]!)) / largest(exact[name]!);
        // A NaN is no small error.
        most = off <= most ? most : off;
      }
    }
    return most;
  };

  test('mean, variance and result', async () => {
    expect(await errorOf(feeds)).toBeLessThan(1e-6);
  });

  test('far from zero, and further at the edges', async () => {
    const far = { ...feeds, x: feeds.x.map((u) => 100 + u), bias: feeds.bias.map((u) => 3000 + u) };
    expect(await errorOf(far)).toBeLessThan(1e-5);
  });

  test('gradients', async () => {
    const program = { outputs: withGradients(y!, input('seed', z.shape), { x, weight, bias }) };
    expect(await differences(program, { ...feeds, seed: noise(sizeOf(z.shape), 5) }, 3e-5)).toEqual([]);
  });
});

describe('moments are of what batch norm reads', () => {
  const z = conv2d(input('x', [2, 21, 19, 20]), input('weight', [3, 3, 20, 24]), same);
  const feeds = { x: noise(2 * 21 * 19 * 20, 1), weight: noise(9 * 20 * 24, 2), ...parametersOf(24) };
  const normSteps = async (program: Program): Promise<readonly string[]> =>
    (await stepsOf(program)).filter((name) => name.includes('batch-norm'));

  test('a map between', async () => {
    const program = { outputs: { y: normalised(map([z], (a) => e.max(a, 0)))[0]! } };
    expect(await normSteps(program)).toEqual([ofRows]);
    expect(await differences(program, feeds, 1e-5)).toEqual([]);
  });

  test('other readers: a map, a concatenation, an output', async () => {
    const [y] = normalised(z);
    const program = { outputs: { y: y!, z, positive: map([z], (a) => e.max(a, 0)), both: concat([z, y!], 3) } };
    expect(await normSteps(program)).toEqual([ofMoments]);
    expect(await differences(program, feeds, 1e-5)).toEqual([]);
  });

  test('the variance alone', async () => {
    const program = { outputs: { variance: normalised(z)[2]! } };
    expect(await normSteps(program)).toEqual([ofMoments]);
    expect(await differences(program, feeds, 1e-5)).toEqual([]);
  });

  test.each([
    ['groups that share vectors', conv2d(input('x', [2, 6, 5, 6]), input('weight', [3, 3, 2, 12]), { ...same, groups: 3 })],
    ['depthwise', conv2d(input('x', [2, 6, 5, 8]), input('weight', [3, 3, 1, 8]), { ...same, groups: 8 })],
  ])('none of %s', async (_, other) => {
    const program = { outputs: { y: normalised(other)[0]! } };
    expect(await normSteps(program)).toEqual([ofRows]);
    const given = Object.fromEntries(other.node!.inputs.map(({ shape }, i) => [['x', 'weight'][i]!, noise(sizeOf(shape), i + 1)]));
    expect(await differences(program, { ...given, ...parametersOf(other.shape[3]!) }, 1e-5)).toEqual([]);
  });

  test('none for evaluation, and none of kernels for inference', async () => {
    const executable = await runtimes[0]!.compile({ outputs: { z } });
    executable.dispose();
    expect(executable.schedule.steps.flatMap(({ node, outputs }) => (node.op.name === winograd ? [outputs] : []))).toEqual([
      [expect.anything(), null],
    ]);
    const lean = await createRuntime(wasm({ threads: 1 }), [inferenceConvWasm, residualWasm, mathWasm]);
    expect(await stepsOf({ outputs: { y: normalised(z)[0]! } }, lean)).toContain(ofRows);
    await lean.dispose();
  });
});
