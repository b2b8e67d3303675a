import { apply1, concat, expression as e, map, reshape, type Op, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { basicBlock, network, upsampleNearest } from '@shoal/residual';
import { networks } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { cost, sumCounts, type LayerCost } from './index.ts';

/**
 * Trainable parameters, multiply-accumulates at the network's own size, and the receptive field and total stride of the last map:
 * counted by PyTorch modules of the original sources, and along the paths of largest windows. FishNet's fields, which its attention
 * makes the whole image, are those without it, from the support of gradients.
 */
const facts = [
  ['resnet18', 11689512, 1814073344, 435, 32],
  ['resnet34', 21797672, 3663761408, 899, 32],
  ['resnet50', 25557032, 4089184256, 427, 32],
  ['resnet101', 44549160, 7801405440, 971, 32],
  ['resnet152', 60192808, 11513626624, 1451, 32],
  ['squeezenet1_0', 1248424, 818924576, 155, 16],
  ['squeezenet1_1', 1235496, 349151936, 207, 16],
  ['fishnet99', 16628904, 4263656704, 731, 32],
  ['fishnet150', 24959400, 6397842688, 1211, 32],
  ['fishnet201', 44584552, 10514382080, 1539, 32],
  ['model-a', 839242, 138677760, 27, 4],
  ['strided-cnn-a', 839242, 44674560, 21, 4],
  ['convpool-cnn-a', 1254250, 308547072, 33, 4],
  ['all-cnn-a', 1254250, 181145088, 27, 4],
  ['model-b', 885610, 157552128, 27, 4],
  ['strided-cnn-b', 885610, 143396352, 21, 4],
  ['convpool-cnn-b', 1300618, 327421440, 33, 4],
  ['all-cnn-b', 1300618, 200019456, 27, 4],
  ['model-c', 954730, 228331008, 27, 4],
  ['strided-cnn-c', 954730, 100929024, 21, 4],
  ['convpool-cnn-c', 1369738, 398200320, 33, 4],
  ['all-cnn-c', 1369738, 270798336, 27, 4],
] as const;

test.each(facts)('%s: %i parameters, %i multiply-accumulates, a field of %i', (name, params, macs, field, stride) => {
  const counted = cost(networks[name](), { train: false });
  expect([counted.params, counted.macs]).toEqual([params, macs]);
  const { height, width } = counted.receptiveField;
  expect(height).toEqual(width);
  expect(height).toMatchObject({ size: name.startsWith('fishnet') ? 'whole image' : field, local: field, jump: stride });
  expect(counted.notes).toEqual([]);
  expect(new Set(counted.layers.map((layer) => layer.name)).size).toBe(counted.layers.length);
});

test.each([
  ['fishnet99', '4.31'],
  ['fishnet150', '6.45'],
  ['fishnet201', '10.58'],
] as const)('%s has its published %s G operations, whatever the batch', (name, published) => {
  for (const batch of [1, 3]) {
    const { operations } = cost(networks[name](), { convention: 'fishnet', batch, train: false });
    expect((operations! / 1e9).toFixed(2)).toBe(published);
  }
});

const rowOf = (layers: readonly LayerCost[], name: string): LayerCost => layers.find((layer) => layer.name === name)!;

describe('ResNet-18, layer by layer', () => {
  const { layers, ...total } = cost(networks.resnet18(), { batch: 2, train: false });

  test('each kind of operation has its own heading', () => {
    const map56 = 2 * 56 * 56 * 64;
    expect(rowOf(layers, 'layer1.0.conv1')).toMatchObject({
      kind: 'convolution',
      stage: 'layer1',
      params: 36864,
      macs: map56 * 576,
      additions: 0,
    });
    expect(rowOf(layers, 'layer1.0.bn1')).toMatchObject({
      kind: 'batch norm',
      params: 128,
      macs: 0,
      multiplications: map56,
      additions: map56,
    });
    expect(rowOf(layers, 'layer1.0.relu#2')).toMatchObject({ kind: 'activation', comparisons: map56, macs: 0, params: 0 });
    expect(rowOf(layers, 'layer1.0.add')).toMatchObject({ kind: 'addition', additions: map56, shape: [2, 56, 56, 64] });
    expect(rowOf(layers, 'avgpool')).toMatchObject({
      kind: 'global pooling',
      stage: 'head',
      additions: 2 * 48 * 512,
      transcendentals: 2 * 512,
    });
    expect(rowOf(layers, 'fc')).toMatchObject({ kind: 'dense', params: 513000, macs: 2 * 512000, additions: 2 * 1000 });
    // Windows of the first row and column hold two cells of three along that axis: 9 - 1 comparisons, less one for each cell that is padding.
    expect(rowOf(layers, 'maxpool')).toMatchObject({ kind: 'max pooling', comparisons: 2 * 64 * ((3 * 56 - 1) ** 2 - 56 * 56) });
  });

  test('bytes: inputs, weights and output once', () => {
    expect(rowOf(layers, 'layer1.0.conv1').bytes).toBe(4 * (2 * 2 * 56 * 56 * 64 + 36864));
    expect(rowOf(layers, 'layer1.0.bn1').bytes).toBe(4 * (2 * 2 * 56 * 56 * 64 + 4 * 64));
    // The winners, which nobody reads, are not written.
    expect(rowOf(layers, 'maxpool').bytes).toBe(4 * 2 * 64 * (112 * 112 + 56 * 56));
    expect(rowOf(layers, 'reshape').bytes).toBe(0);
  });

  test('the totals are the sums of the rows', () => {
    expect(total).toMatchObject({
      schema: 'shoal.cost/1',
      model: 'resnet18',
      input: [2, 224, 224, 3],
      convention: 'operations',
      ...sumCounts(layers),
    });
    expect(total.operations).toBeUndefined();
  });

  test('the field grows towards the output, and the last layers have no place', () => {
    expect(rowOf(layers, 'conv1').receptiveField.height).toEqual({ size: 7, local: 7, jump: 2, start: 0, misalignment: 0 });
    expect(rowOf(layers, 'maxpool').receptiveField.width).toEqual({ size: 11, local: 11, jump: 4, start: 0, misalignment: 0 });
    expect(rowOf(layers, 'fc').receptiveField.height).toEqual({
      size: 'whole image',
      local: null,
      jump: null,
      start: null,
      misalignment: 0,
    });
    expect(total.receptiveField.layer).toBe('layer4.1.relu#2');
  });
});

test('upsampling, channel sums and concatenation are layers of their own', () => {
  const { layers } = cost(networks['fishnet-mini'](), { train: false });
  expect(rowOf(layers, 'fish.fish.5.0.0.channelsum')).toMatchObject({
    kind: 'channel sum',
    shape: [1, 4, 4, 96],
    additions: 96 * 16,
    macs: 0,
  });
  expect(rowOf(layers, 'fish.fish.5.resized')).toMatchObject({ kind: 'upsampling', macs: 0, bytes: 4 * 96 * (16 + 64) });
  expect(rowOf(layers, 'fish.fish.4.concat')).toMatchObject({ kind: 'concatenation', stage: 'fish.fish.4', additions: 0 });
});

describe("anybody's network", () => {
  const swirl: Op<object> = {
    name: 'acme/swirl',
    infer: ([x]) => [x!],
    vjp: { none: 'not needed here' },
    cost: ({ inputs: [x] }) => ({ comparisons: 7 * x!.shape[0]! }),
  };
  const tiny = (body: (image: Value) => Value) => network({ name: 'tiny', input: [8, 12, 2], body: (_, image) => body(image) });

  test('blocks, shared parameters and an op of a third party', () => {
    const net = network({
      name: 'own',
      input: [16, 24, 3],
      body(layers, image) {
        const stem = relu(layers.conv('stem', image, { channels: 8, window: 3, padding: 1 }));
        const block = layers.use(basicBlock(stem, { ...layers.at('block'), channels: 8, stride: 2 }));
        const both = concat([upsampleNearest(block, { scale: 2 }), stem], -1);
        return layers.dense('fc', reshape(globalAveragePool2d(apply1(swirl, [both], {})), [image.shape[0]!, -1]), { units: 4 });
      },
    });
    const { layers, notes, params, logicalBytes } = cost(net, { batch: 2, input: [32, 16] });
    expect(layers.map(({ name, stage }) => `${stage}: ${name}`)).toEqual([
      '32x16: stem', '32x16: relu', 'block: block.conv1', 'block: block.bn1', 'block: block.relu', 'block: block.conv2', 'block: block.bn2',
      'block: block.downsample.0', 'block: block.downsample.1', 'block: block.add', 'block: block.relu#2', '32x16: upsample', '32x16: concat',
      '32x16: swirl', 'head: globalpool', 'head: reshape', 'head: fc',
    ]); // prettier-ignore
    expect(rowOf(layers, 'swirl')).toMatchObject({ kind: 'acme/swirl', comparisons: 14 });
    expect(rowOf(layers, 'swirl').receptiveField.height.size).toBe('whole image');
    expect(notes[0]).toBe(
      'Memory for training: acme/swirl: has no gradient: not needed here. Keep it out of the loss, or put stopGradient before it.',
    );
    expect(notes.slice(1)).toEqual(['Receptive field: acme/swirl does not say what it reads and was taken to read the whole image.']);
    expect(params).toBe(3 * 9 * 8 + 2 * (9 * 64 + 16) + (64 + 16) + 16 * 4 + 4);
    expect(logicalBytes.training).toBeNull();
  });

  test.each([
    [
      () =>
        cost(
          tiny((x) => x),
          { input: [0, 4] },
        ),
      'cost: height 0 is not a positive integer. Give a height of at least 1.',
    ],
    [
      () =>
        cost(
          tiny((x) => x),
          { batch: 1.5 },
        ),
      'cost: batch 1.5 is not a positive integer. Give a batch of at least 1.',
    ],
    [() => cost(tiny((x) => x)), 'cost: the network has no layers. Build something from the image.'],
    [() => cost(tiny(relu), { convention: 'flops' as never }), "cost: unknown convention 'flops'. Use operations or fishnet."],
    [() => cost(tiny(relu), { size: 3 } as never), 'cost: unknown option size. Known options: input, batch, convention, train.'],
    [
      () => cost(networks.fishnet99(), { input: [100, 64] }),
      'fishnet99: image [1,100,64,3] is 100x64, not multiples of 32. Crop or pad it to 96x64.',
    ],
  ])('what does not fit is said %#', (counted, message) => {
    expect(counted).toThrow(message);
  });

  test('a size too small to train on is said', () => {
    const { logicalBytes, notes } = cost(networks.resnet18(), { input: [32, 32] });
    expect(logicalBytes.training).toBeNull();
    expect(notes[0]).toMatch(/^Memory for training: .*batch-norm: \[1,1,1,512\] has fewer than two values per channel/);
  });

  test('activations that are no names are layers too', () => {
    const { layers } = cost(
      tiny((x) =>
        maxPool2d(
          add(
            map([x], (a) => e.mul(a, e.exp(a))),
            x,
          ),
          { window: 2 },
        ),
      ),
      { train: false },
    );
    expect(layers.map(({ name, kind }) => [name, kind])).toEqual([
      ['activation', 'activation'],
      ['add', 'addition'],
      ['maxpool', 'max pooling'],
    ]);
  });
});
