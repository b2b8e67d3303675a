import { createRuntime, gradients, input, reduce, sizeOf } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { relu, sgd } from '@shoal/math';
import { poolReference } from '@shoal/pool/reference';
import { expect, test } from 'vitest';
import { residualReference } from '../reference/index.ts';
import { basicBlock } from './basic.ts';
import { bottleneckBlock } from './bottleneck.ts';
import { fireBlock } from './fire.ts';
import { downRefineBlock, fishGroup, upRefineBlock } from './fish.ts';
import { layers, type BlockContext, type BlockResult } from './layers.ts';
import { preActivationBlock } from './pre-activation.ts';
import { createScope } from './scope.ts';

const fresh = (train = true): BlockContext => ({ scope: createScope({ seed: 3 }), train });
const count = ({ parameters }: BlockResult): number => parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
const feature = (h: number, w: number, c: number) => input('feature', [2, h, w, c]);
/** What a caller without types may pass. */
const untyped = (options: object): never => options as never;

test('a block names its variables as state dicts do, in their order', () => {
  const context = fresh();
  const block = basicBlock(feature(6, 4, 3), { ...context, scope: context.scope.in('layer2.0'), channels: 8, stride: 2 });
  expect(block.output.shape).toEqual([2, 3, 2, 8]);
  const norm = (name: string): string[] => ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `layer2.0.${name}.${part}`);
  expect(Object.keys(context.scope.state)).toEqual([
    'layer2.0.conv1.weight', ...norm('bn1'), 'layer2.0.conv2.weight', ...norm('bn2'), 'layer2.0.downsample.0.weight', ...norm('downsample.1'),
  ]); // prettier-ignore
  expect(block.parameters).toEqual(context.scope.parameters);
  expect(block.parameters.length).toBe(9);
  expect(block.updates.map(([{ name }]) => name).slice(0, 2)).toEqual(['layer2.0.bn1.running_mean', 'layer2.0.bn1.running_var']);
});

test('programs of one scope share their variables', () => {
  const { scope } = fresh();
  const train = basicBlock(feature(6, 4, 8), { scope, train: true, channels: 8 });
  const evaluate = basicBlock(input('other', [1, 9, 7, 8]), { scope, train: false, channels: 8 });
  expect(evaluate.parameters).toEqual(train.parameters);
  expect(evaluate.parameters[0]).toBe(train.parameters[0]);
  expect([train.updates.length, evaluate.updates.length]).toEqual([4, 0]);
});

// Counts of ResNet-50's and SqueezeNet 1.1's first blocks, and of FishNet-99's stages 3 to 7.
test.each<readonly [string, (context: BlockContext) => BlockResult, number]>([
  ['layer1.0 of ResNet-50', (c) => bottleneckBlock(feature(2, 2, 64), { ...c, channels: 256 }), 75008],
  ['fire 2 of SqueezeNet 1.1', (c) => fireBlock(feature(2, 2, 64), { ...c, squeeze: 16, expand1x1: 64, expand3x3: 64 }), 11408],
  ['stage 0 of FishNet-99', (c) => fishGroup(feature(2, 2, 64), { ...c, channels: 128, blocks: 2 }), 41728],
  ['stage 3 of FishNet-99', (c) => fishGroup(feature(2, 2, 1024), { ...c, channels: 512, blocks: 2 }), 1153024],
  ['stage 4 of FishNet-99', (c) => upRefineBlock(feature(1, 1, 512), feature(2, 2, 256), { ...c, channels: 512 }), 280064 + 70400],
  [
    'stage 5 of FishNet-99',
    (c) => upRefineBlock(feature(2, 2, 768), feature(4, 4, 128), { ...c, channels: 384, dilation: 2 }),
    195456 + 17792,
  ],
  ['stage 7 of FishNet-99', (c) => downRefineBlock(feature(4, 4, 320), feature(2, 2, 512), c), 109760 + 280064],
])('%s has its published number of parameters', (_, build, expected) => {
  expect(count(build(fresh()))).toBe(expected);
});

test('refining blocks resize and concatenate', () => {
  expect(upRefineBlock(feature(3, 2, 8), feature(6, 4, 6), { ...fresh(), channels: 4 }).output.shape).toEqual([2, 6, 4, 10]);
  expect(downRefineBlock(feature(7, 4, 8), feature(3, 2, 6), fresh()).output.shape).toEqual([2, 3, 2, 14]);
});

test('a network of layers and blocks trains', async () => {
  const x = input('x', [4, 5, 6, 2]);
  const net = layers(fresh());
  const stem = relu(net.batchNorm('bn1', net.conv('conv1', x, { channels: 4, window: 3, padding: 1 })));
  const body = net.use(preActivationBlock(stem, { ...net.at('layer1.0'), channels: 8, stride: 2, branch: 'bottleneck' }));
  const { output, updates, parameters } = net.result(net.dense('fc', reduce(body, { kind: 'sum', axes: [1, 2] }), { units: 1 }));
  const loss = reduce(relu(output), { kind: 'sum' });
  const step = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 1e-4 });
  const runtime = await createRuntime(reference(), [mathReference, convReference, poolReference, residualReference]);
  const executable = await runtime.compile({ outputs: { loss }, updates: [...updates, ...step.updates] });
  const feeds = { x: Array.from({ length: 240 }, (_, i) => Math.sin(i * i)) };
  const losses: number[] = [];
  for (let i = 0; i < 8; i++) losses.push((await executable.run(feeds)).loss![0]!);
  expect(losses[0]).toBeGreaterThan(0);
  expect(losses.slice(1).every((loss, i) => loss < losses[i]!)).toBe(true);
  await runtime.dispose();
});

test.each([
  [
    () => basicBlock(feature(4, 4, 2), untyped({ ...fresh(), channels: 2, strides: 2 })),
    'residual/basic-block: unknown option strides. Known options: scope, train, dropout, channels, stride, shortcut.',
  ],
  [
    () => basicBlock(feature(4, 4, 2), untyped({ ...fresh(), channels: 4, shortcut: 'none' })),
    "residual/shortcut: unknown shortcut 'none'. Use strided or pooled.",
  ],
  [
    () => upRefineBlock(feature(3, 2, 8), feature(5, 4, 8), fresh()),
    'residual/up-refine-block: branch [2,5,4,8] does not fit trunk [2,3,2,8], resized to 6x4. Take the feature of that size.',
  ],
  [
    () => upRefineBlock(feature(3, 2, 8), feature(6, 4, 8), { ...fresh(), channels: 5 }),
    'residual/channel-group-sum: 5 groups do not divide 8 channels. Use a divisor.',
  ],
  [
    () => downRefineBlock(feature(3, 2, 8), feature(2, 1, 8), fresh()),
    'residual/down-refine-block: branch [2,2,1,8] does not fit trunk [2,3,2,8], resized to 1x1. Take the feature of that size.',
  ],
])('wrong input is a typed error %#', (build, message) => {
  expect(build).toThrow(message);
});

test('a name stands for one layer and one shape', () => {
  const context = fresh();
  const net = layers({ ...context, scope: context.scope.in('stem') });
  net.conv('conv1', feature(2, 2, 2), { channels: 2 });
  expect(() => net.conv('conv1', feature(2, 2, 2), { channels: 2 })).toThrow(
    "layers: 'stem.conv1' is used twice. Give each layer its own name.",
  );
  expect(() => context.scope.parameter('stem.conv1.weight', [3], 0)).toThrow(
    "scope: 'stem.conv1.weight' is [1,1,2,2] and was asked for as [3]. Use another name, or another scope.",
  );
  expect(() => context.scope.buffer('stem.conv1.weight', [1, 1, 2, 2], 0)).toThrow(
    "scope: 'stem.conv1.weight' is both a parameter and a buffer. Use another name.",
  );
});
