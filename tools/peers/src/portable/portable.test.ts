import { conv2d } from '@shoal/conv';
import { concat, constant, createRuntime, expression as e, input, map, reshape, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import * as math from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { averagePool2d, globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { batchNorm, channelGroupSum, upsampleNearest } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import onnxProto from 'onnx-proto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { variable } from '@shoal/core';
import { networkNamed } from '../works/networks.ts';
import { workNamed } from '../works/index.ts';
import { exportGraph } from './export.ts';
import { readWork, writeWork } from './file.ts';
import { tensorOf, type PortableGraph, type PortableNode } from './graph.ts';
import { toOnnx } from './onnx.ts';
import { portableWork } from './work.ts';

const evaluate = async (y: Value, x: Float32Array): Promise<readonly number[]> => {
  const runtime = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
  const { y: found } = await (await runtime.compile({ outputs: { y } })).run({ x });
  await runtime.dispose();
  return [...found!];
};

/** The way back: a portable graph as a Shoal graph. */
function rebuild(graph: PortableGraph, data: ReadonlyMap<string, Float32Array>): Value {
  const values = new Map<string, Value>();
  for (const name of graph.inputs) values.set(name, input(name, tensorOf(graph, name).shape));
  for (const name of graph.constants) values.set(name, constant(data.get(name)!, tensorOf(graph, name).shape));
  for (const node of graph.nodes)
    values.set(
      node.output,
      again(
        node,
        node.inputs.map((name) => values.get(name)!),
        tensorOf(graph, node.output).shape,
      ),
    );
  return values.get(graph.output)!;
}

/** Words that Shoal has under the same name. */
const { relu, sigmoid, abs, exp, log, sqrt, tanh } = math;
const unary = { relu, sigmoid, abs, exp, log, sqrt, tanh } as const;

function again({ kernel }: PortableNode, inputs: readonly Value[], shape: readonly number[]): Value {
  const [a, b, c] = inputs as [Value, Value, Value];
  switch (kernel.op) {
    case 'conv2d':
      return conv2d(a, b, { ...kernelOptions(kernel), groups: kernel.groups, bias: inputs[2] });
    case 'maxPool':
      return maxPool2d(a, { ...kernelOptions(kernel), window: kernel.window, ceilMode: kernel.ceilMode });
    case 'averagePool':
      return averagePool2d(a, {
        ...kernelOptions(kernel),
        window: kernel.window,
        ceilMode: kernel.ceilMode,
        countIncludePad: kernel.countIncludePad,
      });
    case 'globalAveragePool':
      return globalAveragePool2d(a);
    case 'affine':
      return math.add(math.multiply(a, b), c);
    case 'channelGroupSum':
      return channelGroupSum(a, { groups: kernel.groups, layout: kernel.layout });
    case 'upsampleNearest':
      return upsampleNearest(a, { output: { height: shape[1]!, width: shape[2]! } });
    case 'concat':
      return concat(inputs, -1);
    case 'matmul':
      return math.matmul(a, b);
    case 'reshape':
      return reshape(a, shape);
    case 'relu':
    case 'sigmoid':
    case 'abs':
    case 'exp':
    case 'log':
    case 'sqrt':
    case 'tanh':
      return unary[kernel.op](a);
    case 'neg':
      return math.negate(a);
    case 'add':
      return math.add(a, b);
    case 'sub':
      return math.subtract(a, b);
    case 'mul':
      return math.multiply(a, b);
    case 'div':
      return math.divide(a, b);
    case 'max':
      return math.maximum(a, b);
    case 'min':
      return math.minimum(a, b);
    case 'batchNorm':
      throw new Error('not at inference');
  }
}

const kernelOptions = ({
  stride,
  dilation,
  padding,
}:
  | Extract<PortableNode['kernel'], { readonly op: 'conv2d' }>
  | Extract<PortableNode['kernel'], { readonly op: 'maxPool' | 'averagePool' }>) => ({
  stride,
  dilation,
  padding,
});

const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * i));
const x = input('x', [2, 6, 5, 4]);
const running = { mean: variable('mean', [3], [0.5, -1, 2]), variance: variable('variance', [3], [1, 4, 0.25]) };
const [gamma, beta] = [variable('gamma', [3], [1, -2, 0.5]), variable('beta', [3], [0.25, 0, -1])];
const weight = variable('weight', [3, 3, 4, 3], numbers(108));
const convolved = conv2d(x, weight, {
  padding: { top: 1, bottom: 0, left: 2, right: 1 },
  stride: { height: 1, width: 2 },
  bias: constant([1, 2, 3], [3]),
});
const normalised = (value: Value): Value => batchNorm(value, { gamma, beta, ...running }, { train: false }).output;

describe('a portable graph computes what the graph does', () => {
  test.each<[string, Value, readonly string[]]>([
    ['convolution with bias, stride and one-sided padding', convolved, ['conv2d']],
    ['batch norm is folded into the convolution before it', math.relu(normalised(convolved)), ['conv2d', 'relu']],
    ['but not where somebody else reads the convolution', math.add(normalised(convolved), convolved), ['conv2d', 'affine', 'add']],
    ['depthwise', conv2d(x, variable('depthwise', [3, 3, 1, 8], numbers(72)), { groups: 4, padding: 'same' }), ['conv2d']],
    [
      'pools with ceil mode and padding',
      averagePool2d(maxPool2d(x, { window: 3, stride: 2, ceilMode: true }), { window: 2, stride: 1, padding: 1, countIncludePad: true }),
      ['maxPool', 'averagePool'],
    ],
    ['averages of the cells present', averagePool2d(x, { window: 3, stride: 2, padding: 1 }), ['averagePool']],
    ['sums of neighbouring channels', channelGroupSum(x, { groups: 2 }), ['channelGroupSum']],
    ['sums of interleaved channels', channelGroupSum(x, { groups: 2, layout: 'interleaved' }), ['channelGroupSum']],
    [
      'concat, upsampling and a gate',
      math.multiply(upsampleNearest(concat([x, math.relu(x)], 3), { scale: 2 }), math.sigmoid(globalAveragePool2d(concat([x, x], 3)))),
      ['relu', 'concat', 'upsampleNearest', 'concat', 'globalAveragePool', 'sigmoid', 'mul'],
    ],
    ['an expression, operation by operation', map([x], (a) => e.div(e.tanh(a), e.add(e.abs(a), 1))), ['tanh', 'abs', 'add', 'div']],
    [
      'a dense layer',
      math.add(
        math.matmul(reshape(globalAveragePool2d(x), [2, 4]), variable('dense', [4, 5], numbers(20))),
        variable('bias', [5], numbers(5)),
      ),
      ['globalAveragePool', 'reshape', 'matmul', 'add'],
    ],
  ])('%s', async (_, y, words) => {
    const { graph, data } = await exportGraph(y);
    expect(graph.nodes.map(({ kernel }) => kernel.op)).toEqual(words);
    const feed = numbers(240);
    const [found, expected] = [await evaluate(rebuild(graph, data), feed), await evaluate(y, feed)];
    expect(found.length).toBe(expected.length);
    found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4)); // constants are in float32
  });

  test('what has no word is an error that names the op', async () => {
    await expect(exportGraph(concat([x, x], 1))).rejects.toThrow('core/concat: only channels have a portable form');
    await expect(exportGraph(math.softmax(reshape(x, [2, 120])))).rejects.toThrow('has no portable form');
  });
});

test.each(['resnet18', 'resnet50', 'squeezenet1_1', 'fishnet99', 'all-cnn-c'] as const)(
  '%s has a portable form, and its batch norms are in its convolutions where they can be',
  async (name) => {
    const network = networkNamed(name);
    const { output } = network.build(input('x', [1, 64, 64, 3]), { train: false });
    const { graph } = await exportGraph(output);
    const affine = graph.nodes.filter(({ kernel }) => kernel.op === 'affine').length;
    // FishNet normalises before it convolves.
    expect(affine > 0).toBe(name === 'fishnet99');
  },
  120_000,
);

test('a work survives its files', async () => {
  const work = await portableWork(workNamed('tiny batch 4 step').build());
  const folder = await mkdtemp(join(tmpdir(), 'shoal-peers-test-'));
  await writeWork(join(folder, 'work'), work);
  expect(await readWork(join(folder, 'work'))).toEqual({ ...work, data: new Map(work.data) });
  await rm(folder, { recursive: true });
});

test('the ONNX model is NCHW, with weights [out, in, kh, kw]', async () => {
  const work = await portableWork({ phase: 'fwd', y: math.relu(normalised(convolved)), feeds: { x: numbers(240) } });
  const { graph } = onnxProto.onnx.ModelProto.decode(toOnnx(work));
  const dims = (list: readonly { readonly dimValue?: unknown }[] | null | undefined): readonly number[] =>
    (list ?? []).map(({ dimValue }) => Number(dimValue));
  expect(dims(graph!.input![0]!.type!.tensorType!.shape!.dim)).toEqual([2, 4, 6, 5]);
  expect(dims(graph!.output![0]!.type!.tensorType!.shape!.dim)).toEqual([2, 3, 5, 3]);
  expect(graph!.node!.map(({ opType }) => opType)).toEqual(['Conv', 'Relu']);
  const attributes = Object.fromEntries(
    graph!.node![0]!.attribute!.map(({ name, ints, i }) => [name, ints!.length > 0 ? ints!.map(Number) : Number(i)]),
  );
  expect(attributes).toEqual({ kernel_shape: [3, 3], strides: [1, 2], dilations: [1, 1], pads: [1, 2, 0, 1], group: 1 });
  const weights = graph!.initializer!.find(({ dims: sizes }) => sizes!.length === 4)!;
  expect(weights.dims!.map(Number)).toEqual([3, 4, 3, 3]);
  const raw = weights.rawData!;
  // Element [o, c, i, j] is weight[i, j, c, o] times gamma / sqrt(variance + epsilon) of channel o.
  const [o, c, i, j] = [2, 1, 0, 2];
  const folded = new DataView(raw.buffer, raw.byteOffset).getFloat32(4 * (((o * 4 + c) * 3 + i) * 3 + j), true);
  expect(folded).toBeCloseTo((numbers(108)[((i * 3 + j) * 4 + c) * 3 + o]! * 0.5) / Math.sqrt(0.25 + 1e-5), 5);
});
