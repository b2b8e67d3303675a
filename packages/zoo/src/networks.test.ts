import { addCosts, costOf, createRuntime, gradients, input, reduce, sizeOf, topological, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { poolReference } from '@shoal/pool/reference';
import { residualReference } from '@shoal/residual/reference';
import { describe, expect, test } from 'vitest';
import { allCnnC, fishnet99, networkName, networkNames, networks, resnet18, resnetMini, squeezenet1_1 } from './index.ts';

const image = (...shape: number[]): Value => input('image', shape);

/** Trainable parameters and multiply-accumulates at the network's own size, counted by PyTorch modules of the original sources. */
const facts = [
  ['resnet18', 11689512, 1814073344],
  ['resnet34', 21797672, 3663761408],
  ['resnet50', 25557032, 4089184256],
  ['resnet101', 44549160, 7801405440],
  ['resnet152', 60192808, 11513626624],
  ['squeezenet1_0', 1248424, 818924576],
  ['squeezenet1_1', 1235496, 349151936],
  ['fishnet99', 16628904, 4263656704],
  ['fishnet150', 24959400, 6397842688],
  ['fishnet201', 44584552, 10514382080],
  ['model-a', 839242, 138677760],
  ['strided-cnn-a', 839242, 44674560],
  ['convpool-cnn-a', 1254250, 308547072],
  ['all-cnn-a', 1254250, 181145088],
  ['model-b', 885610, 157552128],
  ['strided-cnn-b', 885610, 143396352],
  ['convpool-cnn-b', 1300618, 327421440],
  ['all-cnn-b', 1300618, 200019456],
  ['model-c', 954730, 228331008],
  ['strided-cnn-c', 954730, 100929024],
  ['convpool-cnn-c', 1369738, 398200320],
  ['all-cnn-c', 1369738, 270798336],
] as const;

test.each(facts)('%s has %i parameters and %i multiply-accumulates', (name, parameterCount, multiplyAccumulates) => {
  const net = networks[name]();
  const { output, parameters, updates } = net.build(image(1, ...net.input));
  expect(output.shape).toEqual([1, net.input[0] === 224 ? 1000 : 10]);
  expect(parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(parameterCount);
  expect(addCosts(...topological([output]).map(costOf)).multiplyAccumulates).toBe(multiplyAccumulates);
  expect(updates).toEqual([]);
});

test('the deep stem of the C and D variants costs 19,232 parameters, wherever it averages', () => {
  const count = (name: 'resnet50' | 'resnet50c' | 'resnet50d'): number =>
    networks[name]()
      .build(image(1, 64, 64, 3))
      .parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  // 25,576,264 is the number that timm states for its resnet50d.
  expect([count('resnet50c'), count('resnet50d')]).toEqual([count('resnet50') + 19232, 25576264]);
});

describe('sizes and classes', () => {
  test.each([
    [1, 1],
    [33, 70],
    [224, 160],
  ])('a residual network takes %ix%i', (height, width) => {
    const { output } = resnet18({ classes: 7 }).build(image(2, height, width, 3));
    expect(output.shape).toEqual([2, 7]);
  });

  test.each([
    [
      () => fishnet99().build(image(1, 100, 64, 3)),
      'fishnet99: image [1,100,64,3] is 100x64, not multiples of 32. Crop or pad it to 96x64.',
    ],
    [
      () => squeezenet1_1().build(image(1, 8, 8, 3)),
      'squeezenet1_1: cannot take an image [1,8,8,3] (pool/max: window 3x3 is larger than the padded input 1x1. Use a smaller window, or pad.). Give another size, such as 224x224.',
    ],
    [() => allCnnC().build(image(1, 32, 32, 1)), 'all-cnn-c: image [1,32,32,1] has 1 channels where 3 are needed. Give [n,h,w,3].'],
    [() => resnet18().build(image(224, 224, 3)), 'resnet18: expected [n,h,w,c], got [224,224,3]. Reshape to four axes, channels last.'],
    [() => networkName('resnet51'), `zoo: there is no network 'resnet51'. Networks: ${networkNames.join(', ')}.`],
    [() => allCnnC({ pooling: 'same' as never }), "all-cnn-c: unknown pooling 'same'. Use centred or ceil."],
    [() => resnet18({ class: 10 } as never), 'resnet18: unknown option class. Known options: classes, seed, variant.'],
  ])('what does not fit is said %#', (build, message) => {
    expect(build).toThrow(message);
  });
});

test('programs of one network share their variables, whatever the batch', () => {
  const net = resnetMini();
  const train = net.build(image(4, 64, 64, 3), { train: true });
  const serve = net.build(image(1, 96, 64, 3));
  expect(serve.parameters).toEqual(train.parameters);
  expect(serve.parameters[0]).toBe(net.scope.state['conv1.weight']);
  expect(serve.updates).toEqual([]);
  expect(train.updates.length).toBe(2 * 20);
});

test('names on the way are those of the original modules', () => {
  const names = (name: keyof typeof networks): readonly string[] => {
    const net = networks[name]();
    return net.build(image(1, ...net.input)).taps.map((tap) => tap.name);
  };
  expect(names('resnet18')).toEqual(expect.arrayContaining(['conv1', 'bn1', 'maxpool', 'layer1.0', 'layer4', 'avgpool', 'fc']));
  expect(names('squeezenet1_0')).toEqual(expect.arrayContaining(['features.0', 'features.2', 'features.12', 'classifier.1']));
  expect(names('fishnet99')).toEqual(
    expect.arrayContaining(['conv1', 'pool1', 'all_feat[10]', 'fish.fish.3.3', 'fish.down_sample#5', 'fish.upsample#2', 'fish.fish.9.4']),
  );
  expect(names('convpool-cnn-b')).toEqual(expect.arrayContaining(['conv9', 'pool2']));
});

test('the stages of a network are values on the way, in order', () => {
  for (const name of networkNames) {
    const net = networks[name]();
    const { taps } = net.build(image(1, ...net.input));
    const at = (net.stages ?? []).map((stage) => taps.findIndex((tap) => tap.name === stage));
    expect(at).toEqual(at.filter((index) => index >= 0).toSorted((a, b) => a - b));
  }
  expect(resnet18().stages).toEqual(['maxpool', 'layer1', 'layer2', 'layer3', 'layer4']);
  expect(fishnet99().stages?.length).toBe(11);
});

test('All-CNN drops out anew at every step while it trains, and the same again from the same state', async () => {
  const net = allCnnC({ seed: 2 });
  const { output, updates, parameters } = net.build(image(1, 16, 16, 3), { train: true });
  const steps = updates.map(([{ name }]) => name);
  expect(steps).toEqual(['dropout0.step', 'dropout1.step', 'dropout2.step']);
  const runtime = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
  const logits = reduce(output, { kind: 'sum' });
  const executable = await runtime.compile({ outputs: { logits, slope: gradients(logits, [parameters[0]!])[0]! }, updates });
  const feeds = { image: Array.from({ length: 768 }, (_, i) => Math.cos(i)) };
  const run = async (): Promise<number> => (await executable.run(feeds)).logits![0]!;
  const [first, second] = [await run(), await run()];
  expect(second).not.toBe(first);
  for (const step of ['dropout0.step', 'dropout1.step', 'dropout2.step']) await runtime.write(net.scope.state[step]!, Uint32Array.of(0));
  expect(await run()).toBe(first);
  await runtime.dispose();
});
