import { concat, expression as e, input, map, reshape, type Value } from '@shoal/core';
import { convTranspose2d } from '@shoal/conv';
import { add, kaimingNormal, multiply, parameter, relu, sigmoid, subtract } from '@shoal/math';
import { averagePool2d, globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { channelGroupSum, network, preActivationBlock, type Layers } from '@shoal/residual';
import { networks, resNet, type NetworkName } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { convolutionRoles } from './convolutions.ts';

const isolatedIn = (name: NetworkName): readonly string[] => convolutionRoles(networks[name]()).isolated.map((each) => each.name);
const strided = (name: NetworkName): number => convolutionRoles(networks[name]()).isolated.filter((each) => each.strided).length;

describe('networks of the zoo', () => {
  test.each(['resnet50', 'resnet101', 'resnet152', 'resnet50c', 'resnet-mini'] as const)('%s has four, three of them strided', (name) => {
    expect(isolatedIn(name)).toEqual([1, 2, 3, 4].map((layer) => `layer${layer}.0.downsample.0`));
    expect(strided(name)).toBe(3);
  });
  test.each(['resnet18', 'resnet34'] as const)('%s keeps the channels of layer1, and has three, all strided', (name) => {
    expect(isolatedIn(name)).toEqual([2, 3, 4].map((layer) => `layer${layer}.0.downsample.0`));
    expect(strided(name)).toBe(3);
  });
  test.each(['resnet50d', 'resnet101d', 'resnet152d'] as const)('%s averages first: four, none strided', (name) => {
    expect(isolatedIn(name)).toEqual([1, 2, 3, 4].map((layer) => `layer${layer}.0.downsample.1`));
    expect(strided(name)).toBe(0);
  });
  test.each(['fishnet99', 'fishnet150', 'fishnet201', 'fishnet-mini'] as const)(
    '%s has four: the first blocks of stages 0 to 3',
    (name) => {
      const { isolated, trunk } = convolutionRoles(networks[name]());
      expect(isolated.map((each) => [each.name, each.block, each.strided])).toEqual(
        ['0.0.0', '1.0.0', '2.0.0', '3.2.0'].map((block) => [`fish.fish.${block}.shortcut.2`, `fish.fish.${block}`, false]),
      );
      // The score between tail and body, and what stands before and behind all blocks.
      expect(trunk.filter(({ position }) => position === 'between').map((each) => each.name)).toEqual(['fish.fish.3.0.2', 'fish.fish.3.1']);
      expect(trunk.filter(({ position }) => position === 'stem').map((each) => each.name)).toEqual(['conv1.0', 'conv2.0', 'conv3.0']);
      expect(trunk.filter(({ position }) => position === 'head').map((each) => each.name)).toEqual(['fish.fish.9.3.2', 'fish.fish.9.4.1']);
    },
  );
  test.each([
    'all-cnn-a',
    'all-cnn-b',
    'all-cnn-c',
    'model-c',
    'strided-cnn-c',
    'convpool-cnn-c',
    'squeezenet1_0',
    'squeezenet1_1',
  ] as const)('%s adds nothing: none, and every convolution is trunk', (name) => {
    const net = networks[name]();
    const { isolated, trunk } = convolutionRoles(net);
    expect(isolated).toEqual([]);
    expect(trunk.length).toBe(net.scope.parameters.filter(({ shape }) => shape.length === 4).length);
    expect(new Set(trunk.map(({ position }) => position))).toEqual(new Set(['plain']));
  });
  test('batch norm by the batch or by running statistics: the same convolutions', () => {
    const net = networks['fishnet-mini']();
    const image = input('image', [2, ...net.input]);
    expect(convolutionRoles({ built: net.build(image, { train: true }), image })).toEqual(convolutionRoles(net));
  });
});

/** A network that ends in a mean over what `body` makes of [n,8,8,4]. */
function made(body: (net: Layers, x: Value) => Value): ReturnType<typeof convolutionRoles> {
  return convolutionRoles(
    network({
      name: 'made',
      input: [8, 8, 4],
      body: (net, image) => {
        const y = globalAveragePool2d(body(net, image));
        return net.dense('fc', reshape(y, [image.shape[0]!, -1]), { units: 2 });
      },
    }),
  );
}

const conv = (net: Layers, name: string, x: Value, channels = 4, stride = 1): Value => net.conv(name, x, { channels, stride });
/** Three convolutions: longer than any shortcut here. */
const branch = (net: Layers, x: Value, channels = 4, stride = 1): Value =>
  conv(net, 'c', relu(conv(net, 'b', relu(conv(net, 'a', x, 4, stride)))), channels);
const names = ({ isolated }: ReturnType<typeof convolutionRoles>): readonly string[] => isolated.map(({ name }) => name);

describe('networks made by hand', () => {
  test('a convolution on the shortcut, whichever side is written first', () => {
    expect(names(made((net, x) => add(branch(net, x), conv(net, 's', x))))).toEqual(['s']);
    expect(names(made((net, x) => add(conv(net, 's', x), branch(net, x))))).toEqual(['s']);
    expect(names(made((net, x) => subtract(conv(net, 's', x), branch(net, x))))).toEqual(['s']);
  });
  test('its window and stride are those of the convolution, and pooling before it changes nothing', () => {
    const { isolated } = made((net, x) => add(branch(net, x, 4, 2), conv(net, 's', x, 4, 2)));
    expect(isolated).toEqual([{ name: 's', window: [1, 1], stride: [2, 2], strided: true, block: 'after c' }]);
    expect(names(made((net, x) => add(branch(net, x, 4, 2), conv(net, 's', averagePool2d(x, { window: 2 })))))).toEqual(['s']);
  });
  test('an identity beside it, as a third operand in any order', () => {
    expect(names(made((net, x) => add(add(branch(net, x), conv(net, 's', x)), x)))).toEqual([]);
    expect(names(made((net, x) => add(add(x, branch(net, x)), conv(net, 's', x))))).toEqual([]);
    expect(names(made((net, x) => map([branch(net, x), conv(net, 's', x), x], (a, b, c) => e.add(a, e.add(b, c)))))).toEqual([]);
  });
  test('without the identity, both convolutions of a sum of three', () => {
    expect(names(made((net, x) => add(add(branch(net, x), conv(net, 's', x)), conv(net, 't', x))))).toEqual(['s', 't']);
  });
  test('and in whatever order the sum of three is written', () => {
    expect(names(made((net, x) => add(add(conv(net, 's', x), conv(net, 't', x)), branch(net, x))))).toEqual(['s', 't']);
  });
  test('a gate on the shortcut can be gone around', () => {
    const gated = (net: Layers, x: Value): Value => {
      const s = conv(net, 's', x);
      return multiply(s, sigmoid(conv(net, 'gate', globalAveragePool2d(s))));
    };
    expect(names(made((net, x) => add(branch(net, x), gated(net, x))))).toEqual(['s']);
  });
  test('shortcuts without weights', () => {
    expect(names(made((net, x) => add(branch(net, x), x)))).toEqual([]);
    expect(names(made((net, x) => add(branch(net, x, 4, 2), maxPool2d(x, { window: 2 }))))).toEqual([]);
    expect(names(made((net, x) => add(branch(net, x, 2), channelGroupSum(x, { groups: 2 }))))).toEqual([]);
    expect(names(made((net, x) => add(branch(net, x), net.batchNorm('bn', x))))).toEqual([]);
  });
  test('a scaled branch leaves the identity an identity', () => {
    expect(names(made((net, x) => map([x, branch(net, x)], (a, b) => e.add(a, e.mul(0.1, b)))))).toEqual([]);
  });
  test('two equal sides: neither is the shortcut', () => {
    expect(names(made((net, x) => add(conv(net, 's', x), conv(net, 't', x))))).toEqual([]);
  });
  test('a shortcut of two convolutions beside three', () => {
    expect(names(made((net, x) => add(branch(net, x), conv(net, 't', relu(conv(net, 's', x))))))).toEqual(['s', 't']);
  });
  test('a residual block within the shortcut: what it can be gone around in is not isolated', () => {
    const nested = (net: Layers, x: Value): Value => {
      const s = conv(net, 's', x);
      return add(s, conv(net, 't', s));
    };
    expect(names(made((net, x) => add(branch(net, x), nested(net, x))))).toEqual(['s']);
  });
  test('an identity around the whole block', () => {
    expect(names(made((net, x) => add(x, relu(add(branch(net, x), conv(net, 's', x))))))).toEqual([]);
  });
  test('a gate is no addition, and what it closes around is not trunk', () => {
    const { isolated, trunk } = made((net, x) => {
      const gate = sigmoid(conv(net, 'gate', globalAveragePool2d(x)));
      return conv(net, 'last', multiply(conv(net, 'main', x), gate));
    });
    expect(isolated).toEqual([]);
    expect(trunk).toMatchObject([{ name: 'last', position: 'plain' }]);
  });
  test('concatenation keeps both: its convolutions are trunk', () => {
    const { isolated, trunk } = made((net, x) => concat([x, conv(net, 's', x)], -1));
    expect([isolated, trunk.map(({ name }) => name)]).toEqual([[], ['s']]);
  });
  test('the sides part where the last common value is, however far back', () => {
    const lateral = made((net, x) => {
      const shallow = conv(net, 'stem', x);
      const deep = branch(net, maxPool2d(shallow, { window: 2 }));
      return add(averagePool2d(conv(net, 'lateral', shallow), { window: 2 }), deep);
    });
    expect(names(lateral)).toEqual(['lateral']);
    expect(lateral.trunk).toMatchObject([{ name: 'stem', position: 'stem' }]);
  });
  test('a transposed convolution on the shortcut', () => {
    const up = (net: Layers, x: Value): Value =>
      net.tap('up', convTranspose2d(x, parameter('up.weight', [2, 2, 4, 4], kaimingNormal({ seed: 1 })), { stride: 2 }));
    const repeat = (net: Layers, x: Value): Value => convTranspose2d(branch(net, x), parameter('w', [2, 2, 4, 4], 1), { stride: 2 });
    expect(made((net, x) => add(repeat(net, x), up(net, x))).isolated).toMatchObject([{ name: 'up', strided: false }]);
  });
  test('a matrix product makes a side longer, and is no convolution', () => {
    expect(names(made((net, x) => add(branch(net, x), net.dense('s', x, { units: 4 }))))).toEqual([]);
    expect(names(made((net, x) => add(net.dense('d', net.dense('e', x, { units: 4 }), { units: 4 }), conv(net, 's', x))))).toEqual(['s']);
  });
});

test('pre-activation blocks: the shortcut parts after the first activation', () => {
  const net = network({
    name: 'pre',
    input: [16, 16, 3],
    body: (net, image) => {
      let y = net.conv('stem', image, { channels: 8, window: 3, padding: 1 });
      y = net.use(preActivationBlock(y, { ...net.at('one'), channels: 8 }));
      y = net.use(preActivationBlock(y, { ...net.at('two'), channels: 16, stride: 2 }));
      y = net.use(preActivationBlock(y, { ...net.at('three'), channels: 32, stride: 2, branch: 'bottleneck', shortcut: 'pooled' }));
      return net.dense('fc', reshape(globalAveragePool2d(y), [image.shape[0]!, -1]), { units: 2 });
    },
  });
  expect(convolutionRoles(net).isolated).toEqual([
    { name: 'two.shortcut', window: [1, 1], stride: [2, 2], strided: true, block: 'two' },
    { name: 'three.shortcut', window: [1, 1], stride: [1, 1], strided: false, block: 'three' },
  ]);
});

test('hundreds of blocks are no problem', () => {
  const deep = resNet('deep', { block: 'basic', blocks: [400, 1, 1, 1] });
  expect(convolutionRoles(deep).isolated.length).toBe(3);
});
