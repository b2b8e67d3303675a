import { createRuntime, gradients, input, map, expression as e, reshape, sizeOf, type Runtime, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { createRuntime as createWasmRuntime, wasm } from '@shoal/backend-wasm';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { add, normal, relu, softmaxCrossEntropy } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { averagePool2d, globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { channelGroupSum, network, upsampleNearest, type Layers, type Network } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { allCnnC, fishnetMini, resnetMini } from '@shoal/zoo';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findEdges } from './edges.ts';
import { gradientFlow, type FlowReport, type GradientFlowOptions } from './gradient-flow.ts';
import { Names } from './names.ts';
import { Probes } from './probes.ts';
import { findReach } from './reach.ts';
import { Structure } from './structure.ts';
import { findSums } from './sums.ts';

let exact: Runtime;
let fast: Runtime;
beforeAll(async () => {
  exact = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
  fast = await createWasmRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm, residualWasm]);
});
afterAll(async () => {
  await exact.dispose();
  await fast.dispose();
});

async function reportOf(net: Parameters<typeof gradientFlow>[0], runtime: Runtime, options?: GradientFlowOptions): Promise<FlowReport> {
  const last = await lastValueFrom(gradientFlow(net, runtime, options));
  if (last.kind !== 'report') throw new Error(`ended with ${last.kind}`);
  return last.report;
}

const l2 = (data: ArrayLike<number>): number => Math.hypot(...Array.from(data));

/** All kinds of edges in a few cells, at sizes that no window divides. */
const everything = (seed = 0): Network =>
  network({
    name: 'everything',
    input: [9, 11, 3],
    seed,
    body(net, image) {
      const conv = (name: string, x: Value, channels: number, stride = 1): Value =>
        net.batchNorm(`${name}.bn`, net.conv(name, x, { channels, window: 3, padding: 1, stride }));
      const stem = net.tap('stem', maxPool2d(relu(conv('conv', image, 8)), { window: 3, stride: 2, padding: 1 }));
      const one = net.tap('one', add(conv('one.b', relu(conv('one.a', stem, 8)), 8), stem));
      const shortcut = net.conv('two.s', one, { channels: 12, stride: 2 });
      const two = net.tap('two', relu(add(shortcut, conv('two.b', relu(conv('two.a', one, 12, 2)), 12))));
      const three = net.tap('three', add(conv('three.b', relu(conv('three.a', two, 6)), 6), channelGroupSum(two, { groups: 6 })));
      const wide = net.tap('up', upsampleNearest(three, { scale: 2 }));
      const halved = net.tap(
        'four',
        map([conv('four.a', wide, 6, 2), averagePool2d(wide, { window: 2 })], (a, b) => e.sub(a, e.mul(3, b))),
      );
      const last = net.tap('last', maxPool2d(halved, { window: 2, ceilMode: true }));
      return net.dense('fc', reshape(globalAveragePool2d(last), [image.shape[0]!, -1]), { units: 5 });
    },
  });

describe('norms and gains', () => {
  test('are those of the gradients fetched whole, and of one path at a time by hand', async () => {
    const net = everything(3);
    const report = await reportOf(net, exact, { batch: 4 });
    const shape = [4, 9, 11, 3];
    const image = input('image', shape);
    const labels = input('labels', [4], 'i32');
    const built = net.build(image, { train: true });
    const at = (name: string): Value => built.taps.find((tap) => tap.name === name)!.value;
    const sum = at('two').node!.inputs[0]!;
    const loss = softmaxCrossEntropy(built.output, labels);
    const [dImage, dStem, dSum, dUp, dWeight] = gradients(loss, [image, at('stem'), sum, at('up'), net.scope.state['two.s.weight']!]);
    const executable = await exact.compile({ outputs: { dImage: dImage!, dStem: dStem!, dSum: dSum!, dUp: dUp!, dWeight: dWeight! } });
    const found = await executable.run({
      image: Array.from(normal({ seed: 1000, deviation: 1 })(shape, 'image')),
      labels: await labelsOf(report),
    });
    const norm = (name: string): number => report.activations.find((each) => each.name === name)!.l2.mean;
    expect(norm('input') / l2(found['dImage']!)).toBeCloseTo(1, 12);
    expect(norm('stem') / l2(found['dStem']!)).toBeCloseTo(1, 12);
    expect(norm('up') / l2(found['dUp']!)).toBeCloseTo(1, 12);

    // The 1x1 convolution with stride 2 back by hand: dx[2p, 2q, i] = sum over o of dy[p, q, o] w[i, o].
    const [dy, w] = [found['dSum']!, await exact.read(net.scope.state['two.s.weight']!)];
    const dx: number[] = [];
    for (let cell = 0; cell < dy.length / 12; cell++) {
      for (let i = 0; i < 8; i++) {
        let total = 0;
        for (let o = 0; o < 12; o++) total += dy[cell * 12 + o]! * w[i * 12 + o]!;
        dx.push(total);
      }
    }
    const gain = report.edges.find(({ kind }) => kind === 'convolution-shortcut')!;
    expect(gain).toMatchObject({ name: 'two', convolutions: ['two.s'], exact: false });
    expect(gain.gain.mean / (l2(dx) / l2(dy))).toBeCloseTo(1, 12);

    // A repetition back by hand: each cell gets the sum of its four copies. [4,3,3,6] -> [4,6,6,6]
    const dUpData = found['dUp']!;
    const summed = Array.from({ length: 4 * 3 * 3 * 6 }, () => 0);
    Array.from(dUpData).forEach((g, at) => {
      const [c, q, p, n] = [at % 6, Math.floor(at / 6) % 6, Math.floor(at / 36) % 6, Math.floor(at / 216)];
      summed[((n * 3 + (p >> 1)) * 3 + (q >> 1)) * 6 + c]! += g;
    });
    const upsampling = report.edges.find(({ kind }) => kind === 'upsampling')!;
    expect(upsampling.gain.mean / (l2(summed) / l2(dUpData))).toBeCloseTo(1, 12);
  });

  /** The labels of run 0, found by what the loss is: the function that draws them is not the test's to repeat. */
  async function labelsOf(report: FlowReport): Promise<number[]> {
    const net = everything(3);
    const image = input('image', [4, 9, 11, 3]);
    const labels = input('labels', [4], 'i32');
    const loss = softmaxCrossEntropy(net.build(image, { train: true }).output, labels);
    const executable = await exact.compile({ outputs: { loss } });
    const data = Array.from(normal({ seed: 1000, deviation: 1 })([4, 9, 11, 3], 'image'));
    for (let code = 0; code < 5 ** 4; code++) {
      const guess = [0, 1, 2, 3].map((i) => Math.floor(code / 5 ** i) % 5);
      const { loss: value } = await executable.run({ image: data, labels: guess });
      if (Math.abs(value![0]! - report.loss.mean) < 1e-12) return guess;
    }
    throw new Error('no labels give this loss');
  }

  test('what is said to be exact is what is measured', async () => {
    for (const [net, shape] of [
      [everything(), [2, 9, 11, 3]],
      [fishnetMini(), [2, 32, 32, 3]],
    ] as const) {
      const image = input('image', shape);
      const built = net.build(image, { train: true });
      const structure = new Structure(image, built.output);
      const edges = findEdges(structure, findSums(structure), new Names(structure, built.taps)).filter((edge) => edge.exact !== null);
      const layers = findReach(structure, new Names(structure, built.taps)).filter((layer) => layer.exact !== null);
      const probes = new Probes();
      const arriving = edges.map(({ to }, i) => input(`arriving${i}`, to.shape));
      const gains = edges.map(({ back }, i) => [probes.norm(back(arriving[i]!)), probes.norm(arriving[i]!)] as const);
      const fractions = layers.map(({ reached }) => probes.fraction(reached()));
      const executable = await fast.compile({ outputs: probes.outputs });
      const random = (size: number, name: string): Float32Array => Float32Array.from(normal({ seed: 1, deviation: 1 })([size], name));
      const feeds = Object.fromEntries(
        [image, ...arriving].map((value, i) => [i === 0 ? 'image' : `arriving${i - 1}`, random(sizeOf(value.shape), `${i}`)]),
      );
      const fetched = await executable.run(Object.fromEntries(executable.inputs.map((name) => [name, feeds[name]!])));
      expect(gains.length).toBeGreaterThan(3);
      gains.forEach(([part, whole], i) => expect(part(fetched) / whole(fetched)).toBeCloseTo(edges[i]!.exact!, 5));
      expect(fractions.map((fraction) => fraction(fetched))).toEqual(layers.map((layer) => layer.exact));
      executable.dispose();
    }
  });

  test('kinds and exact gains of every edge', async () => {
    const { edges, isolatedConvolutions } = await reportOf(everything, exact, { batch: 2, seeds: 1 });
    const said = edges.map(({ name, kind, exact: isExact, gain }) => [name, kind, isExact ? gain.mean : null]);
    expect(said).toEqual([
      ['stem', 'max-pool', null], // windows overlap
      ['one', 'branch', null],
      ['one', 'identity', 1],
      ['one', 'block', null],
      ['two', 'convolution-shortcut', null],
      ['two', 'branch', null],
      ['two', 'block', null],
      ['three', 'branch', null],
      ['three', 'group-sum', Math.SQRT2],
      ['three', 'block', null],
      ['up', 'upsampling', null],
      ['four', 'average-pool', 0.5],
      ['four', 'branch', null],
      ['four', 'shortcut', null],
      ['four', 'block', null],
      ['last', 'max-pool', 1],
    ]);
    expect(isolatedConvolutions.map(({ name }) => name)).toEqual(['two.s']);
    // Three times a mean of four.
    expect(edges.find(({ kind }) => kind === 'shortcut')!.gain.mean).toBeCloseTo(1.5, 12);
  });

  test('a gradient whose squares float32 cannot hold has a norm, and no gradient has norm 0', async () => {
    const x = input('x', [2, 1, 1, 2]);
    const probes = new Probes();
    const reading = probes.norm(x);
    const executable = await fast.compile({ outputs: probes.outputs });
    expect(reading(await executable.run({ x: [3e-30, 0, 0, -4e-30] })) / 5e-30).toBeCloseTo(1, 6);
    expect(reading(await executable.run({ x: [3e30, 0, 0, -4e30] })) / 5e30).toBeCloseTo(1, 6);
    expect(reading(await executable.run({ x: [0, 0, 0, 0] }))).toBe(0);
    executable.dispose();
  });
});

describe('reach and dead windows', () => {
  /** ReLU of the image itself, pooled, and one logit from each of two channels. */
  const pooled = network({
    name: 'pooled',
    input: [6, 8, 2],
    body(net: Layers, image: Value) {
      const first = net.tap('relu', relu(image));
      const pool = net.tap('pool', maxPool2d(first, { window: 2 }));
      return net.dense('fc', reshape(globalAveragePool2d(pool), [image.shape[0]!, -1]), { units: 2 });
    },
  });

  test('a window is inactive where its ReLUs are all off, silent where nothing arrives, dead where either holds', async () => {
    pooled.build(input('image', [16, 6, 8, 2]));
    const weight = pooled.scope.state['fc.weight']!;
    await exact.write(weight, [0, 0, 1, -1]); // the first channel is read by no logit
    const report = await reportOf(pooled, exact, { batch: 16 });
    const x = normal({ seed: 1000, deviation: 1 })([16, 6, 8, 2], 'image');
    const off = (n: number, p: number, q: number, c: number): boolean =>
      [0, 1].every((i) => [0, 1].every((j) => x[((n * 6 + 2 * p + i) * 8 + 2 * q + j) * 2 + c]! <= 0));
    let [inactive, dead, positive] = [0, 0, 0];
    for (let n = 0; n < 16; n++)
      for (let p = 0; p < 3; p++)
        for (let q = 0; q < 4; q++)
          for (let c = 0; c < 2; c++) {
            if (off(n, p, q, c)) inactive++;
            if (off(n, p, q, c) || c === 0) dead++;
          }
    for (let i = 0; i < x.length; i++) if (x[i]! > 0) positive++;
    expect(inactive).toBeGreaterThan(10);
    expect(report.pools).toMatchObject([
      { name: 'pool', windows: 384, silent: { mean: 0.5 }, inactive: { mean: inactive / 384 }, dead: { mean: dead / 384 } },
    ]);
    expect(report.layers).toMatchObject([
      { name: 'relu', kind: 'activation', exact: false, reached: { mean: positive / x.length } },
      { name: 'pool', kind: 'max-pool', exact: true, reached: { mean: 0.25 } },
    ]);
    expect(report.weights).toBe('given');
  });

  test('where no gradient arrives, a gain is not a number, and has no interval', async () => {
    pooled.build(input('image', [2, 6, 8, 2]));
    await exact.write(pooled.scope.state['fc.weight']!, [0, 0, 0, 0]);
    const { activations, shallowOverDeep, pools } = await reportOf(pooled, exact, { batch: 2, seeds: 3 });
    expect(activations.map((each) => each.l2.max)).toEqual([0, 0, 0]);
    expect(pools[0]!.dead).toEqual({ values: [1, 1, 1], mean: 1, min: 1, max: 1, interval: [1, 1] });
    expect(shallowOverDeep.ratio).toMatchObject({ values: [NaN, NaN, NaN], interval: null });
  });

  test('a 1x1 convolution with stride 2 reaches a quarter, 2x2 max pooling one in four, exactly', async () => {
    const residual = await reportOf((seed) => resnetMini({ seed }), fast, { seeds: 1 });
    const shortcuts = residual.layers.filter(({ name }) => /layer[234]\.0\.downsample\.0/.test(name));
    expect(shortcuts.map(({ reached, exact: isExact }) => [reached.mean, isExact])).toEqual([
      [0.25, true],
      [0.25, true],
      [0.25, true],
    ]);
    const overlapping = residual.layers.find(({ name }) => name === 'maxpool')!;
    expect(overlapping.exact).toBe(false);
    // At most one winner for each of 16x16 windows over 32x32 cells, fewer where neighbours share theirs.
    expect(overlapping.reached.mean).toBeGreaterThan(0.1);
    expect(overlapping.reached.mean).toBeLessThan(0.25);
    const fish = await reportOf((seed) => fishnetMini({ seed }), fast, { seeds: 1 });
    const pools = fish.layers.filter(({ kind, exact: isExact }) => kind === 'max-pool' && isExact);
    expect(pools.map(({ reached }) => reached.mean)).toEqual(Array.from({ length: 6 }, () => 0.25));
  });
});

describe('small networks in the setting of the large ones', () => {
  test('shortcuts, sums and poolings pass what they pass in FishNet and ResNet', async () => {
    const [residual, fish] = [
      await reportOf((seed) => resnetMini({ seed }), fast, { seeds: 2 }),
      await reportOf((seed) => fishnetMini({ seed }), fast, { seeds: 2 }),
    ];
    const gains = (report: FlowReport, wanted: string): readonly number[] =>
      report.edges.filter(({ kind }) => kind === wanted).map(({ gain }) => gain.mean);
    expect(gains(fish, 'max-pool').slice(1)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(gains(fish, 'group-sum')).toEqual([Math.SQRT2, Math.SQRT2]);
    for (const gain of gains(fish, 'upsampling')) expect(Math.abs(gain - 1)).toBeLessThan(0.05);
    expect(gains(residual, 'convolution-shortcut').length).toBe(4);
    expect(gains(fish, 'convolution-shortcut').length).toBe(4);
    // The turn's shortcut follows a score that nothing normalises: it stands out, as published (3.5).
    expect(gains(fish, 'convolution-shortcut')[3]).toBeGreaterThan(2.5);
    for (const { shallowOverDeep } of [residual, fish]) expect(shallowOverDeep.ratio.min).toBeGreaterThan(1);
    expect([residual, fish].map(({ shallowOverDeep: { shallow, deep } }) => [shallow, deep])).toEqual([
      ['maxpool', 'layer4'],
      ['all_feat[0]', 'all_feat[10]'],
    ]);
    expect(fish.weightGradients.map(({ stage }) => stage)).toEqual([...Array.from({ length: 11 }, (_, i) => `all_feat[${i}]`), 'output']);
  });

  test('without stages of its own a network shows its outermost feature maps', async () => {
    const { activations, shallowOverDeep } = await reportOf((seed) => allCnnC({ seed }), fast, { batch: 2, seeds: 1 });
    expect(activations.map(({ name }) => name)).toEqual(['input', ...Array.from({ length: 9 }, (_, i) => `conv${i + 1}`)]);
    expect([shallowOverDeep.shallow, shallowOverDeep.deep]).toEqual(['conv1', 'conv9']);
    const chosen = await reportOf((seed) => allCnnC({ seed }), fast, { batch: 2, seeds: 1, stages: ['conv3', 'conv6'] });
    expect(chosen.activations.slice(1)).toEqual([activations[3], activations[6]]);
  });
});

describe('runs', () => {
  test('a run depends on its seed alone, whatever ran before it', async () => {
    const both = await reportOf(everything, exact, { batch: 2, seeds: [4, 7] });
    const second = await reportOf(everything, exact, { batch: 2, seeds: [7] });
    expect(both.activations.map(({ l2: { values } }) => values[1])).toEqual(second.activations.map(({ l2: { values } }) => values[0]));
    expect(both.loss.values[0]).not.toBe(both.loss.values[1]);
    const { interval, min, max, mean } = both.loss;
    expect(min <= interval![0] && interval![0] <= mean && mean <= interval![1] && interval![1] <= max).toBe(true);
  });

  test('given weights stay as they are; seeds choose images', async () => {
    const net = everything(9);
    const first = await reportOf(net, exact, { batch: 2, seeds: 2 });
    const weight = net.scope.state['conv.weight']!;
    expect(Array.from(await exact.read(weight))).toEqual(Array.from(weight.initial()));
    expect([first.weights, first.seeds]).toEqual(['given', [0, 1]]);
    expect(first.loss.values[0]).not.toBe(first.loss.values[1]);
  });

  test('progress comes run by run, and unsubscribing stops it', async () => {
    const events = await lastValueFrom(gradientFlow(everything, exact, { batch: 2, seeds: 2 }).pipe(toArray()));
    expect(events.map(({ kind }) => kind)).toEqual(['prepare', 'run', 'run', 'report']);
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const subscription = gradientFlow(everything, exact, { batch: 2, seeds: 50 }).subscribe((event) => {
        seen.push(event.kind);
        if (event.kind !== 'run') return;
        subscription.unsubscribe();
        resolve();
      });
    });
    await exact.read(everything().scope.parameter('other', [1], 0)); // behind whatever the device still does
    expect(seen).toEqual(['prepare', 'run']);
  });

  test.each<[GradientFlowOptions, string]>([
    [{ batch: 0 }, 'analyze/flow: batch 0 is not a positive integer. Give at least 1 image.'],
    [{ seeds: 0 }, 'analyze/flow: seeds 0 is not a positive integer. Give at least 1.'],
    [{ seeds: [] }, 'analyze/flow: seeds [] are not whole numbers of at least 0. Give one or more.'],
    [{ seeds: [1, -1] }, 'analyze/flow: seeds [1,-1] are not whole numbers of at least 0. Give one or more.'],
    [
      { stages: ['five'] },
      "analyze/flow: everything has no value named 'five'. Names: conv, stem, one, two, three, up, four, last, and those within them.",
    ],
    [{ input: [0, 4] }, 'everything'],
    [{ images: 3 } as GradientFlowOptions, 'analyze/flow: unknown option images.'],
  ])('options that cannot be %#', async (options, message) => {
    await expect(reportOf(everything, exact, options)).rejects.toThrow(message);
  });

  test('a network whose seed decides its shape, and one that is no classifier', async () => {
    const growing = (seed: number): Network =>
      network({
        name: 'growing',
        input: [4, 4, 3],
        seed,
        body: (net, x) => reshape(globalAveragePool2d(net.conv('conv', x, { channels: seed + 2 })), [x.shape[0]!, -1]),
      });
    await expect(reportOf(growing, exact, { seeds: 2 })).rejects.toThrow(
      "analyze/flow: the network of another seed has no 'conv.weight' of shape [1,1,3,2]. Let the seed choose first values only.",
    );
    const map2d = network({ name: 'map', input: [4, 4, 3], body: (net, x) => net.conv('conv', x, { channels: 2 }) });
    await expect(reportOf(map2d, exact)).rejects.toThrow(
      'analyze/flow: the output of map is [8,4,4,2], not [batch, classes]. Analyse a classifier.',
    );
  });
});
