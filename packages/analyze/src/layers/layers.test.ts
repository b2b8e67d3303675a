import { input, reshape, slice, type Value } from '@shoal/core';
import { conv2d, convTranspose2d, depthwiseConv2d } from '@shoal/conv';
import { gelu, kaimingNormal, matmul, mean, multiply, parameter, relu, sigmoid, silu, softmax } from '@shoal/math';
import { averagePool2d, depthToSpace, globalAveragePool2d, globalMaxPool2d, maxPool2d, spaceToDepth } from '@shoal/pool';
import { channelGroupSum, layers, createScope, upsampleBilinear, upsampleNearest, type BlockResult } from '@shoal/residual';
import { networks, type NetworkName } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { layersOf } from '../index.ts';

const image = input('image', [2, 8, 12, 4]);
const weight = (...shape: readonly number[]) => parameter('mix.weight', shape, kaimingNormal({ seed: 1 }));
/** Layers of a graph that nobody named anything in. */
const bare = (output: Value, parameters: BlockResult['parameters'] = []) => layersOf({ output, parameters, taps: [] }, image);
const listed = (output: Value): readonly string[] => bare(output).map(({ name, kind }) => `${name}: ${kind}`);

describe('kinds', () => {
  test.each<[string, Value]>([
    ['mix: convolution', conv2d(image, weight(3, 3, 4, 2))],
    ['mix: depthwise convolution', depthwiseConv2d(image, weight(3, 3, 4, 2))],
    ['mix: grouped convolution', conv2d(image, weight(3, 3, 2, 6), { groups: 2 })],
    ['mix: transposed convolution', convTranspose2d(image, weight(2, 2, 3, 4), { stride: 2 })],
    ['mix: dense', matmul(reshape(image, [2, 384]), weight(384, 3))],
    ['matmul: matrix product', matmul(image, image, { transposeB: true })],
    ['maxpool: max pooling', maxPool2d(image, { window: 2 })],
    ['avgpool: average pooling', averagePool2d(image, { window: { height: 8, width: 12 } })],
    ['globalpool: global pooling', globalAveragePool2d(image)],
    ['globalpool: global pooling', globalMaxPool2d(image)],
    ['globalpool: global pooling', mean(image, { axes: [1, 2] })],
    ['sum: reduction', mean(image, { axes: [1] })],
    ['upsample: upsampling', upsampleNearest(image, { scale: 2 })],
    ['upsample: upsampling', upsampleBilinear(image, { scale: 2 })],
    ['channelsum: channel sum', channelGroupSum(image, { groups: 2 })],
    ['channelsum: channel sum', channelGroupSum(image, { groups: 2, layout: 'interleaved' })],
    ['spacetodepth: space-to-depth', spaceToDepth(image, { block: 2 })],
    ['depthtospace: depth-to-space', depthToSpace(image, { block: 2 })],
    ['reshape: reshape', reshape(image, [2, -1])],
    ['slice: slice', slice(image, { start: [0, 0, 0, 0], size: [2, 4, 4, 4] })],
    ['relu: activation', relu(image)],
    ['sigmoid: activation', sigmoid(image)],
    ['silu: activation', silu(image)],
    ['gelu: activation', gelu(image)],
    ['multiply: multiplication', multiply(image, relu(image))],
    ['elementwise: elementwise', multiply(image, parameter('scale', [4], kaimingNormal({ seed: 1 })))],
  ])('%s', (expected, output) => {
    expect(listed(output).at(-1)).toBe(expected);
  });
});

test('what is one step to whoever wrote it is one layer', () => {
  const [first, ...rest] = bare(globalAveragePool2d(spaceToDepth(relu(image), { block: 2 })));
  expect([first!.nodes.length, rest.map(({ nodes }) => nodes.length)]).toEqual([1, [3, 3]]);
  expect(listed(softmax(image)).length).toBeGreaterThan(1);
});

test('a name given to a point on the way makes it a layer', () => {
  const net = layers({ scope: createScope({ seed: 1 }), train: false }, image);
  const pixels = net.tap('pixels', reshape(image, [2, 96, 4]));
  expect(layersOf(net.result(reshape(pixels, [2, -1])), image).map(({ name }) => name)).toEqual(['pixels', 'reshape']);
});

test('parameters belong to the layer that uses them first', () => {
  const shared = weight(1, 1, 4, 4);
  const found = bare(conv2d(relu(conv2d(image, shared)), shared), [shared]);
  expect(found.map(({ name, parameters }) => [name, parameters])).toEqual([
    ['mix', [shared]],
    ['relu', []],
    ['mix#2', []],
  ]);
});

test('a block that does not say what it reads names what follows its layers', () => {
  const scope = createScope({ seed: 1 });
  const net = layers({ scope, train: false }, image);
  const part = layers({ scope: scope.in('part'), train: false });
  const stem = relu(net.conv('stem', image, { channels: 4 }));
  const made = net.use(part.result(relu(part.batchNorm('bn', relu(part.conv('conv', stem, { channels: 4 }))))));
  expect(layersOf(net.result(relu(made)), image).map(({ name }) => name)).toEqual([
    'stem', 'relu', 'part.conv', 'part.relu', 'part.bn', 'part.relu#2', 'relu#2',
  ]); // prettier-ignore
});

test('in training, batch norm and dropout are layers too', () => {
  const net = networks['all-cnn-c']();
  const x = input('image', [2, 32, 32, 3]);
  const kinds = layersOf(net.build(x, { train: true }), x).map(({ name, kind }) => `${name}: ${kind}`);
  expect(kinds).toEqual(expect.arrayContaining(['dropout0: dropout', 'dropout2: dropout', 'conv9: convolution']));
  const residual = networks['resnet-mini']();
  const trained = layersOf(residual.build(input('image', [2, 64, 64, 3]), { train: true }), input('other', [1, 1, 1, 1]));
  expect(trained).toEqual([]);
});

test.each(['resnet50d', 'squeezenet1_0', 'fishnet-mini', 'convpool-cnn-b', 'resnet18'] as const satisfies readonly NetworkName[])(
  'every node of %s is in one layer, and every parameter has its own',
  (name) => {
    const net = networks[name]();
    const x = input('image', [1, ...net.input]);
    const graph = net.build(x);
    const found = layersOf(graph, x);
    const nodes = found.flatMap((layer) => layer.nodes);
    expect(new Set(nodes).size).toBe(nodes.length);
    const made = new Set<Value>([x]);
    for (const layer of found) {
      expect(layer.inputs.every((value) => made.has(value))).toBe(true);
      layer.nodes.forEach(({ outputs }) => outputs.forEach((value) => made.add(value)));
    }
    expect(made.has(graph.output)).toBe(true);
    for (const { name: layer, parameters } of found) for (const own of parameters) expect(own.name.startsWith(`${layer}.`)).toBe(true);
    expect(found.flatMap(({ parameters }) => parameters).length).toBe(graph.parameters.length);
  },
);

test('names are those of the original modules, and the blocks between them', () => {
  const names = (network: NetworkName): readonly string[] => {
    const net = networks[network]();
    const x = input('image', [1, ...net.input]);
    return layersOf(net.build(x), x).map(({ name }) => name);
  };
  expect(names('resnet50d')).toEqual(
    expect.arrayContaining(['conv1.6', 'layer2.0.downsample.avgpool', 'layer2.0.downsample.1', 'layer2.0.relu#3', 'avgpool', 'fc']),
  );
  expect(names('squeezenet1_1')).toEqual(
    expect.arrayContaining(['features.0', 'features.2', 'features.3.squeeze', 'features.3.concat', 'classifier.1', 'classifier.3']),
  );
  expect(names('fishnet-mini')).toEqual(
    expect.arrayContaining([
      'pool1', 'fish.fish.0.0.0.shortcut.relu', 'fish.down_sample#0', 'fish.fish.3.3.0.sigmoid', 'fish.fish.3.multiply', 'fish.fish.3.add',
      'fish.fish.5.0.0.channelsum', 'fish.fish.6.concat', 'fish.fish.9.4.1',
    ]),
  ); // prettier-ignore
});
