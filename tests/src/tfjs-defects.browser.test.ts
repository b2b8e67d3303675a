import type { Tensor } from '@shoal/backend-tfjs';
import { engineDefects } from '@shoal/backend-tfjs/defects';
import { expression as e, input, map, reduce } from '@shoal/core';
import * as tf from '@tensorflow/tfjs-core';
// Other than the engines, gradients come with no package of their own: they are the core's.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { expect, test } from 'vitest';
import { makeTfjsWebgpu } from './tfjs-webgpu.ts';

/** As in tfjs-defects.test.ts, of the webgpu engine of TensorFlow.js 4.22, in software (SwiftShader). */
const integers = (...data: readonly number[]): Tensor => tf.tensor([...data], [data.length], 'int32');
const numbers = async (tensor: Tensor): Promise<readonly number[]> => [...(await tensor.data())];

test(engineDefects.integersInFloat.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  const odd = 2 ** 24 + 1;
  expect(await numbers(tf.equal(integers(odd), integers(odd - 1)))).toEqual([1]);
  expect(await numbers(tf.add(integers(odd), integers(0)))).toEqual([odd - 1]);
  expect(await numbers(tf.where(tf.tensor([1], [1], 'bool'), integers(odd), integers(0)))).toEqual([odd - 1]);

  const [a, b] = [input('a', [1], 'i32'), input('b', [1], 'i32')];
  const executable = await runtime.compile({
    outputs: { equal: map([a, b], (p, q) => e.select(e.eq(p, q), 1, 0)), sum: map([a, b], (p, q) => e.add(p, q)) },
  });
  expect(await executable.run({ a: [odd], b: [odd - 1] })).toEqual({ equal: Float32Array.of(0), sum: Int32Array.of(2 * odd - 1) });
  await runtime.dispose();
});

test(engineDefects.rankFive.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  const x = tf.reshape(tf.tensor([1, 2, 3, 4]), [2, 1, 1, 1, 2]);
  const strided = await numbers(tf.stridedSlice(x, [0, 0, 0, 0, 0], [2, 1, 1, 1, 2], [1, 1, 1, 1, 2]));
  expect(strided).not.toEqual([1, 3]);
  expect(() => tf.where(tf.greater(x, 2), x, x)).toThrow('rank 5 is not yet supported');
  await runtime.dispose();
});

const image = (): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from({ length: 64 }, (_, i) => i % 7),
    [1, 8, 8, 1],
  );
const filter = (): tf.Tensor4D => tf.ones([3, 3, 1, 1]);
type Layer = (x: tf.Tensor4D) => tf.Tensor4D;
/** The gradient of the sum of squares. */
const slope =
  (f: Layer): Layer =>
  (x) =>
    tf.grad((y: Tensor) => tf.sum(tf.square(f(y as tf.Tensor4D))))(x) as tf.Tensor4D;

test(engineDefects.lastOfTies.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  expect(await numbers(slope((x) => tf.maxPool(x, 2, 2, 'valid'))(tf.tensor4d([5, 5, 1, 5], [1, 2, 2, 1])))).toEqual([0, 0, 0, 10]);
  await runtime.dispose();
});

test(engineDefects.dilatedStride.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  expect(() => tf.conv2d(image(), filter(), 2, 'valid', 'NHWC', 2)).toThrow('Either strides or dilations must be 1');
  expect(() => tf.conv2d(tf.zeros<tf.Rank.R4>([1, 4, 4, 2]), filter(), 1, 'valid')).toThrow('must match input depth');
  await runtime.dispose();
});

test(engineDefects.dilatedGradient.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  const dilated: Layer = (x) => tf.conv2d(x, filter(), 1, 'valid', 'NHWC', 2);
  expect(dilated(image()).shape).toEqual([1, 4, 4, 1]);
  expect(() => slope(dilated)(image())).toThrow('dilation rates greater than 1 are not yet supported');
  await runtime.dispose();
});

test(engineDefects.secondOrder.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  const functions: readonly (readonly [string, Layer, tf.Tensor4D])[] = [
    ['MaxPoolGrad', (x) => tf.maxPool(x, 2, 2, 'valid'), image()],
    ['AvgPoolGrad', (x) => tf.avgPool(x, 2, 2, 'valid'), image()],
    ['Conv2DBackpropFilter', (weight) => tf.conv2d(image(), weight, 1, 'valid'), filter()],
  ];
  for (const [kernel, f, x] of functions) {
    expect(slope(f)(x).shape).toEqual(x.shape);
    expect(() => slope(slope(f))(x)).toThrow(`gradient function not found for ${kernel}`);
  }
  await runtime.dispose();
});

test(engineDefects.depthToSpace.fact, async () => {
  const runtime = await makeTfjsWebgpu();
  expect(() => slope((x) => tf.depthToSpace(x, 2))(tf.zeros([1, 2, 2, 4]))).toThrow('gradient function not found for DepthToSpace');
  await runtime.dispose();
});

test('the adapter leaves no tensor behind', async () => {
  const before = tf.memory().numTensors;
  const runtime = await makeTfjsWebgpu();
  const x = input('x', [4, 3]);
  const executable = await runtime.compile({
    outputs: {
      y: reduce(
        map([x], (a) => e.max(a, 0)),
        { kind: 'sum', axes: [0] },
      ),
    },
  });
  const { outputs, nanoseconds } = await executable.timed({ x: [1, -2, 3, 4, 5, -6, 7, 8, 9, 10, 11, 12] }, { profile: true });
  expect(outputs['y']).toEqual(Float32Array.of(22, 24, 24));
  expect(nanoseconds).toBeGreaterThan(0);
  await runtime.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
