import type { Tensor } from '@shoal/backend-tfjs';
import { expression as e, input, map, reduce } from '@shoal/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { makeTfjsWebgpu } from './tfjs-webgpu.ts';

/** As in tfjs-defects.test.ts, of the webgpu engine of TensorFlow.js 4.22, in software (SwiftShader). */
const integers = (...data: readonly number[]): Tensor => tf.tensor([...data], [data.length], 'int32');
const numbers = async (tensor: Tensor): Promise<readonly number[]> => [...(await tensor.data())];

test('webgpu computes with int32 in float32', async () => {
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

test('webgpu slices tensors of rank 5 wrongly, and does not select between them', async () => {
  const runtime = await makeTfjsWebgpu();
  const x = tf.reshape(tf.tensor([1, 2, 3, 4]), [2, 1, 1, 1, 2]);
  const strided = await numbers(tf.stridedSlice(x, [0, 0, 0, 0, 0], [2, 1, 1, 1, 2], [1, 1, 1, 1, 2]));
  expect(strided).not.toEqual([1, 3]);
  expect(() => tf.where(tf.greater(x, 2), x, x)).toThrow('rank 5 is not yet supported');
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
