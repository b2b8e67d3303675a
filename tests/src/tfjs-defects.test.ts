import { readFileSync } from 'node:fs';
import { tfjs, type Tensor, type Tensorflow } from '@shoal/backend-tfjs';
import { engineDefects, type EngineDefect } from '@shoal/backend-tfjs/defects';
import { importEngine } from '@shoal/backend-tfjs/node';
import { convCases } from '@shoal/conv/cases';
import { createRuntime, expression as e, gradients, input, map, reduce, type Feeds, type Value } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { maxPool2d } from '@shoal/pool';
import { poolCases } from '@shoal/pool/cases';
import { poolTfjs } from '@shoal/pool/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';

/**
 * What the engines of TensorFlow.js 4.22 get wrong, shown on the plain engines and then on the adapter. A test that fails after an
 * update of TensorFlow.js is good news: the adapter, its list of defects and docs/adr/0001 can be simplified.
 */
const engines = ['cpu', 'wasm'] as const;
type Name = (typeof engines)[number];

let tf: Tensorflow;
const on = async <T>(engine: Name, work: () => T): Promise<T> => {
  tf = await importEngine(engine);
  return work();
};
const numbers = (tensor: Tensor): readonly number[] => [...tensor.dataSync()];
const integers = (...data: readonly number[]): Tensor => tf.tensor([...data], [data.length], 'int32');
const negative = Array.from({ length: 16 }, (_, i) => -1 - i);

/** The gradient kernel of a 2x2 max pool with stride 2 over one plane, every upstream gradient being 1. */
function maxPoolGrad(plane: readonly number[], size: number): readonly number[] {
  const x = tf.tensor4d([...plane], [1, size, size, 1]);
  const output = tf.maxPool(x, 2, 2, 'valid');
  const attributes = { filterSize: 2, strides: 2, pad: 'valid' };
  return numbers(tf.engine().runKernel<Tensor>('MaxPoolGrad', { dy: tf.onesLike(output), input: x, output }, attributes));
}

/** The gradient of the sum of a 2x2 max pool, through the adapter. */
async function adapted(engine: Name, plane: readonly number[], size: number): Promise<readonly number[]> {
  const runtime = await createRuntime(tfjs(await importEngine(engine)), [poolTfjs]);
  const x = input('x', [1, size, size, 1]);
  const [dx] = gradients(reduce(maxPool2d(x, { window: 2 }), { kind: 'sum' }), [x]);
  const executable = await runtime.compile({ outputs: { dx: dx! } });
  const { dx: found } = await executable.run({ x: [...plane] });
  await runtime.dispose();
  return [...found!];
}

async function run(engine: Name, y: Value, feeds: Feeds): Promise<readonly number[]> {
  const runtime = await createRuntime(tfjs(await importEngine(engine)));
  const { y: found } = await (await runtime.compile({ outputs: { y } })).run(feeds);
  await runtime.dispose();
  return [...found!];
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe('max pooling', () => {
  test(engineDefects.lostMaximum.fact, async () => {
    expect(await on('cpu', () => sum(maxPoolGrad(negative, 4)))).toBe(4);
    expect(await on('wasm', () => sum(maxPoolGrad(negative, 4)))).toBe(1);
    for (const engine of engines) expect(await adapted(engine, negative, 4)).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
  });

  test(engineDefects.lastOfTies.fact, async () => {
    expect(await on('cpu', () => maxPoolGrad([5, 5, 1, 5], 2))).toEqual([1, 0, 0, 0]);
    expect(await on('wasm', () => maxPoolGrad([5, 5, 1, 5], 2))).toEqual([0, 0, 0, 1]);
    for (const engine of engines) expect(await adapted(engine, [5, 5, 1, 5], 2)).toEqual([1, 0, 0, 0]);
  });

  test(engineDefects.noMaximum.fact, async () => {
    const [value, at] = await on('wasm', () => {
      const { result, indexes } = tf.maxPoolWithArgmax(tf.tensor4d([-4, -3, -2, -1], [1, 2, 2, 1]), 2, 2, 'valid');
      return [numbers(result!)[0]!, numbers(indexes!)[0]!];
    });
    expect(value).toBeGreaterThan(0);
    expect(at).toBe(0);
  });
});

describe('convolution', () => {
  test(engineDefects.weightGradient.fact, async () => {
    expect(await on('cpu', () => tf.getKernel('Conv2DBackpropFilter', 'cpu') !== undefined)).toBe(true);
    expect(await on('wasm', () => tf.getKernel('Conv2DBackpropFilter', 'wasm'))).toBeUndefined();
    const attributes = { strides: 1, pad: 'valid', dataFormat: 'NHWC', dimRoundingMode: null, filterShape: [2, 2, 1, 1] };
    const operands = () => ({ x: tf.zeros([1, 3, 3, 1]), dy: tf.zeros([1, 2, 2, 1]) });
    expect(() => tf.engine().runKernel('Conv2DBackpropFilter', operands(), attributes as never)).toThrow(
      "Kernel 'Conv2DBackpropFilter' not registered for backend 'wasm'",
    );
  });

  test(engineDefects.dilatedStride.fact, async () => {
    for (const engine of engines) {
      const x = await on(engine, () => tf.tensor4d(new Float32Array(256), [1, 8, 8, 4]));
      const [weight, grouped] = [tf.tensor4d(new Float32Array(72), [3, 3, 4, 2]), tf.tensor4d(new Float32Array(36), [3, 3, 2, 2])];
      expect(() => tf.conv2d(x, weight, 2, 'valid', 'NHWC', 2)).toThrow('Either strides or dilations must be 1');
      expect(() => tf.conv2d(x, grouped, 1, 'valid')).toThrow('must match input depth');
    }
  });
});

describe('numbers', () => {
  test(engineDefects.serialSums.fact, async () => {
    const count = 2_000_000;
    const terms = new Float32Array(count).fill(0.1);
    const mean = (): number => numbers(tf.sum(tf.tensor(terms)))[0]! / count;
    expect(await on('cpu', mean)).toBeCloseTo(0.1, 7);
    expect(Math.abs((await on('wasm', mean)) - 0.1)).toBeGreaterThan(0.001);
    const average = map([reduce(input('x', [count]), { kind: 'sum' })], (total) => e.div(total, count));
    expect((await run('wasm', average, { x: terms }))[0]).toBeCloseTo(0.1, 7);
  });

  test(engineDefects.lostNaN.fact, async () => {
    const maxima = (): readonly number[] => numbers(tf.maximum(tf.tensor([NaN, 1]), tf.tensor([1, NaN])));
    expect(await on('cpu', maxima)).toEqual([NaN, NaN]);
    expect(await on('wasm', maxima)).toEqual([NaN, 1]);
    const larger = map([input('a', [2]), input('b', [2])], (a, b) => e.max(a, b));
    expect(await run('wasm', larger, { a: [NaN, 1], b: [1, NaN] })).toEqual([NaN, NaN]);
  });

  test(engineDefects.powerOfC.fact, async () => {
    const power = (): readonly number[] => numbers(tf.pow(tf.tensor([1]), tf.tensor([NaN])));
    expect(await on('cpu', power)).toEqual([NaN]);
    expect(await on('wasm', power)).toEqual([1]);
  });

  test(engineDefects.roundedProducts.fact, async () => {
    const product = (): readonly number[] => numbers(tf.mul(integers(123456789), integers(987654321)));
    expect(await on('cpu', product)).not.toEqual([Math.imul(123456789, 987654321)]);
    expect(await on('wasm', product)).toEqual([Math.imul(123456789, 987654321)]);
  });

  test(engineDefects.wrappedConversion.fact, async () => {
    for (const engine of engines) expect(await on(engine, () => numbers(tf.cast(tf.tensor([3e9]), 'int32')))).toEqual([3e9 - 2 ** 32]);
  });

  test(engineDefects.sliceOfIntegers.fact, async () => {
    const sliced = () => tf.stridedSlice(integers(1, 2, 3, 4), [0], [4], [2]);
    expect(await on('cpu', () => [sliced().dtype, ...numbers(sliced())])).toEqual(['int32', 1, 3]);
    expect(await on('wasm', () => sliced().dtype)).toBe('float32');
    expect(await on('wasm', () => numbers(sliced())[0])).toBeLessThan(1e-40);
  });

  test(engineDefects.whereOfTruth.fact, async () => {
    const truth = (...flags: readonly number[]): Tensor => tf.tensor([...flags], [flags.length], 'bool');
    const selected = (): readonly number[] => numbers(tf.where(truth(1, 0), truth(1, 0), truth(1, 1)));
    expect(await on('cpu', selected)).toEqual([1, 1]);
    expect(await on('wasm', selected)).toEqual([1, 0]);
  });
});

describe('without gradients', () => {
  beforeAll(() => importEngine('cpu'));

  test('the core package has none registered', () => {
    expect(() => tf.grad((x: Tensor) => tf.sum(tf.square(x)))(tf.tensor([1, 2]))).toThrow(/gradient function not found/);
  });
});

test('each defect has a test that bears its name, a line in the decision, and ops that the support matrix has', () => {
  const tables = [...coreCases, ...convCases, ...poolCases];
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
  const proofs = read('tfjs-defects.test.ts') + read('tfjs-defects.browser.test.ts');
  const lines = read('../../docs/adr/0001-tensorflow-js-is-a-peer.md').replaceAll(/ +/g, ' ');
  const defects: readonly (readonly [string, EngineDefect])[] = Object.entries(engineDefects);
  const unproved = defects.filter(([key]) => !proofs.includes(`test(engineDefects.${key}.fact, `));
  const unsaid = defects.filter(([, { fact, engines: on }]) => !lines.includes(`| ${fact} | ${on.length === 3 ? 'all' : on.join(', ')} |`));
  expect({ unproved, unsaid }).toEqual({ unproved: [], unsaid: [] });
  expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(defects.flatMap(([, { ops }]) => ops)));
});
