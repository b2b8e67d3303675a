import { createRuntime, wasm } from '@shoal/backend-wasm';
import { gradients, input, sizeOf, type Shape } from '@shoal/core';
import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm, directConvWasm, inferenceConvWasm } from '@shoal/conv/wasm';
import { expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const differences = comparison({ wasm: [convWasm], reference: [convReference] });
const differencesDirectly = comparison({ wasm: [directConvWasm], reference: [convReference] });

/** Shapes that fill tiles and blocks and leave something over: the conformance cases are smaller than one of either. */
const layers: readonly (readonly [name: string, x: Shape, weight: Shape, options: Conv2dOptions])[] = [
  ['depthwise, some blocks of rows', [2, 37, 41, 44], [3, 3, 1, 44], { groups: 44, padding: 1 }],
  ['depthwise, many channels, stride 2', [1, 21, 23, 150], [3, 3, 1, 150], { groups: 150, padding: 1, stride: 2 }],
  ['depthwise, 5x4 window, dilation', [1, 25, 26, 13], [5, 4, 1, 13], { groups: 13, padding: 3, dilation: { height: 1, width: 2 } }],
  ['depthwise, wide and flat', [1, 2, 1500, 3], [2, 3, 1, 3], { groups: 3 }],
  ['groups of four', [2, 17, 19, 24], [3, 3, 4, 24], { groups: 6, padding: 1 }],
  ['groups of three to five, stride 2 and dilation', [1, 23, 20, 12], [3, 2, 3, 20], { groups: 4, padding: 2, stride: 2, dilation: 2 }],
  ['groups of eleven', [1, 14, 13, 33], [3, 3, 11, 51], { groups: 3, padding: 1 }],
  ['1x1, small map, many images', [9, 7, 7, 70], [1, 1, 70, 90], {}],
  ['1x1, one image', [1, 7, 7, 130], [1, 1, 130, 70], {}],
  ['1x1, stride 2', [2, 29, 30, 20], [1, 1, 20, 37], { stride: 2 }],
  ['3x3 on small maps of many images', [11, 5, 6, 12], [3, 3, 12, 20], { padding: 1 }],
  ['3x3, blocks of rows', [2, 40, 33, 9], [3, 3, 9, 21], { padding: 1 }],
  ['stem', [1, 61, 59, 3], [7, 7, 3, 20], { stride: 2, padding: 3 }],
  ['one channel to one', [1, 30, 31, 1], [3, 3, 1, 1], { padding: 1 }],
];

type Layer = (typeof layers)[number];

async function wrong(differ: typeof differences, [, shape, weightShape, options]: Layer): Promise<readonly string[]> {
  const [x, weight] = [input('x', shape), input('weight', weightShape)];
  const y = conv2d(x, weight, options);
  const seed = input('seed', y.shape);
  const feeds = { x: noise(sizeOf(shape)), weight: noise(sizeOf(weightShape), 3), seed: noise(sizeOf(y.shape), 7) };
  // Gradients to weights are float32 sums of thousands of terms.
  return differ({ outputs: withGradients(y, seed, { x, weight }) }, feeds, 4e-6);
}

test.each(layers)('%s: forward and both gradients', async (...layer) => {
  expect(await wrong(differences, layer)).toEqual([]);
});

/** What has kernels of its own among all of them. */
const special: readonly Layer[] = [
  ['depthwise, stride 2', [1, 11, 13, 10], [3, 3, 1, 10], { groups: 10, padding: 1, stride: 2 }],
  ["3x3, Winograd's elsewhere", [1, 17, 18, 32], [3, 3, 32, 20], { padding: 1 }],
];

test.each(special)('%s, by the direct kernels: forward and both gradients', async (...layer) => {
  expect(await wrong(differencesDirectly, layer)).toEqual([]);
});

test('the kernels of inference lack the gradient to the weights, and nothing else', async () => {
  const runtime = await createRuntime(wasm({ threads: 1 }), [inferenceConvWasm]);
  const [x, weight] = [input('x', [1, 8, 9, 4]), input('weight', [3, 3, 4, 5])];
  const y = conv2d(x, weight);
  const [dx, dw] = gradients(y, [x, weight], { seed: y });
  expect(runtime.missing({ outputs: { y, dx: dx! } })).toEqual([]);
  expect(runtime.missing({ outputs: { dw: dw! } })).toEqual([{ op: 'conv/conv2d-gradient-weight', reason: 'no kernel was given' }]);
  await runtime.dispose();
});
