import { createRuntime, wasm } from '@shoal/backend-wasm';
import {
  apply1,
  expression as e,
  gradients,
  input,
  map,
  sizeOf,
  transpose,
  variable,
  type Executable,
  type Feeds,
  type Runtime,
  type Shape,
  type TensorData,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conv2d, conv2dGradientInput, conv2dGradientWeight, conv2dOp } from '../../conv2d.ts';
import { convReference } from '../../reference/index.ts';
import { convWasm } from '../index.ts';
import { stridedPays, winogradBlocks, winogradGradientPays, winogradSide } from './choice.ts';
import type { StridedTiling, Tiling } from './filtering.ts';
import { winogradConvolution, winogradGradientWeight, winogradWeight } from './tiles.ts';

/** Normally distributed numbers that float32 holds, the same for the same seed: Box and Muller's way. */
function normal(length: number, seed: number, deviation = 1): Float32Array {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    state ^= state >>> 13;
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
  return Float32Array.from({ length }, () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

const runtimes = new Map<string, Runtime>();
beforeAll(async () => {
  runtimes.set('exact', await createRuntime(reference(), [convReference]));
  runtimes.set('default', await createRuntime(wasm({ threads: 1 }), [convWasm]));
  runtimes.set('three threads', await createRuntime(wasm({ threads: 3 }), [convWasm]));
  runtimes.set('strict', await createRuntime(wasm({ threads: 1, precision: 'strict' }), [convWasm]));
});
afterAll(async () => {
  for (const runtime of runtimes.values()) await runtime.dispose();
});

interface Ran {
  readonly results: Readonly<Record<string, TensorData>>;
  readonly ops: readonly string[];
}

const opsOf = ({ schedule }: Executable): readonly string[] => schedule.steps.map(({ node }) => node.op.name);

async function run(name: string, outputs: Readonly<Record<string, Value>>, feeds: Feeds): Promise<Ran> {
  const executable = await runtimes.get(name)!.compile({ outputs });
  const results = await executable.run(feeds);
  executable.dispose();
  return { results, ops: opsOf(executable) };
}

/** The largest error in units of the root mean square of what is right. */
function errorOf(found: TensorData, right: TensorData): number {
  expect(found.length).toBe(right.length);
  let [most, squares] = [0, 0];
  right.forEach((value, i) => {
    // A NaN is no small error.
    most = Math.abs(found[i]! - value) <= most ? most : Math.abs(found[i]! - value);
    squares += value * value;
  });
  return most / Math.sqrt(squares / right.length);
}

const bits = (data: TensorData): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);

const one = { height: 1, width: 1 };
const attributesOf = (padding: number) => ({
  window: { height: 3, width: 3 },
  stride: one,
  dilation: one,
  padding: { top: padding, bottom: padding, left: padding, right: padding },
  groups: 1,
});

interface Forced {
  readonly shape: Shape;
  readonly outer: number;
  readonly tiling?: Tiling;
  readonly padding?: number;
  readonly transposed?: boolean;
  readonly panel?: number;
  readonly block?: number;
  readonly panelsPerSlice?: number;
  readonly isPlainWeight?: boolean;
}

/** A convolution in Winograd's way, whether it pays or not, beside the op that says the same. */
function forced({ shape, outer, tiling = 4, padding = 1, transposed = false, panel = 8, isPlainWeight = false, ...blocks }: Forced): {
  fast: Value;
  plain: Value;
  feeds: Feeds;
} {
  const [batch, height, width, inner] = shape as readonly [number, number, number, number];
  const weightShape = transposed ? [3, 3, outer, inner] : [3, 3, inner, outer];
  const grow = transposed ? 2 - 2 * padding : 2 * padding - 2;
  const outputShape = [batch, height + grow, width + grow, outer];
  const [x, weight] = [input('x', shape), input('weight', weightShape)];
  const { block, panelsPerSlice } = { ...winogradBlocks({ inner, outer, outputShape }, tiling, panel), ...blocks };
  const pack = { tiling, turned: transposed, panel, panelsPerSlice };
  const own = transposed ? transpose(weight, [0, 1, 3, 2]) : weight;
  const first = transposed ? padding - 2 : -padding;
  const attributes = { ...pack, block, outputShape, weightShape: own.shape, origin: { row: first, column: first }, isPlainWeight };
  const used = isPlainWeight ? own : apply1(winogradWeight, [own], pack);
  const plain = transposed
    ? apply1(conv2dGradientInput, [x, weight], { ...attributesOf(padding), inputShape: outputShape })
    : apply1(conv2dOp, [x, weight], attributesOf(padding));
  const deviation = Math.sqrt(2 / (9 * inner));
  return {
    fast: apply1(winogradConvolution, [x, used], attributes),
    plain,
    feeds: { x: normal(sizeOf(shape), 1), weight: normal(sizeOf(weightShape), 2, deviation) },
  };
}

/**
 * The error of Winograd's way, by the number of channels that are summed: largest error over the output's root mean square. Direct
 * float32 sums reach 0.3e-6, 0.7e-6, 3e-6 and 6e-6; tiles of 2x2 cells are better, as fewer terms are summed at each point. From 16 channels on it stays within 2.5 times theirs; below it is not chosen.
 * The shapes have enough cells for a largest error to mean something.
 */
const errors: readonly (readonly [side: Tiling, channels: number, most: number])[] = [
  [4, 1, 2.5e-6],
  [4, 3, 4e-6],
  [4, 32, 7e-6],
  [4, 65, 9e-6],
  [2, 1, 6e-7],
  [2, 3, 1e-6],
  [2, 32, 2e-6],
  [2, 65, 3e-6],
];

describe.each(errors)('tiles of %i, %i channels, error at most %f', (side, channels, most) => {
  const shapes: readonly (readonly [name: string, shape: Shape, padding: number])[] = [
    ['whole tiles', [3, 16, 12, channels], 1],
    ['ragged tiles', [3, 13, 14, channels], 1],
    ['one row too many', [6, 5, 17, channels], 1],
    ['smaller than a tile', [64, 2, 3, channels], 1],
    ['no padding', [6, 9, 11, channels], 0],
    ['padding 2', [9, 7, 6, channels], 2],
  ];
  test.each(shapes)('%s', async (_, shape, padding) => {
    for (const transposed of [false, true]) {
      const { fast, plain, feeds } = forced({ shape, outer: channels, tiling: side, padding, transposed });
      const [right, found, strict] = [
        (await run('exact', { y: plain }, feeds)).results['y']!,
        (await run('default', { y: fast }, feeds)).results['y']!,
        (await run('strict', { y: plain }, feeds)).results['y']!,
      ];
      const error = errorOf(found, right);
      expect(error).toBeLessThan(most);
      const chosen = winogradSide({ inner: channels, outer: channels, outputShape: plain.shape, isStatic: true });
      if (chosen !== null) expect(error).toBeLessThan(2.5 * errorOf(strict, right));
    }
  });
});

/** The same of the weight gradient, which sums over cells: Winograd's way loses in its transforms and gains by a sixteenth of the terms. */
describe('weight gradients', () => {
  const shapes: readonly (readonly [name: string, shape: Shape, outer: number, padding: number])[] = [
    ['one channel', [3, 16, 12, 1], 1, 1],
    ['three channels, ragged tiles', [3, 13, 14, 3], 5, 1],
    ['ragged panels', [3, 13, 14, 32], 43, 1],
    ['ragged units, several rounds', [9, 21, 18, 65], 34, 1],
    ['one row too many', [6, 5, 17, 16], 16, 1],
    ['smaller than a tile', [64, 2, 3, 32], 17, 1],
    ['no padding', [6, 9, 11, 49], 16, 0],
    ['padding 2', [9, 7, 6, 33], 24, 2],
    ['the fewest cells', [1, 16, 16, 33], 32, 1],
    ['padding beyond the window', [2, 6, 7, 16], 16, 3],
  ];
  test.each(shapes)('%s', async (_, shape, outer, padding) => {
    const [batch, height, width, inner] = shape as readonly [number, number, number, number];
    const x = input('x', shape);
    const dy = input('dy', [batch, height + 2 * padding - 2, width + 2 * padding - 2, outer]);
    const fast = apply1(winogradGradientWeight, [x, dy], { stride: 1, origin: { row: -padding, column: -padding } });
    const plain = apply1(conv2dGradientWeight, [x, dy], { ...attributesOf(padding), weightShape: [3, 3, inner, outer] });
    const feeds = { x: normal(sizeOf(shape), 1), dy: normal(sizeOf(dy.shape), 2) };
    const right = (await run('exact', { dw: plain }, feeds)).results['dw']!;
    const strict = (await run('strict', { dw: plain }, feeds)).results['dw']!;
    const found = (await run('default', { dw: fast }, feeds)).results['dw']!;
    const error = errorOf(found, right);
    expect(error).toBeLessThan(9e-6);
    if (winogradGradientPays(shape, dy.shape, 1)) expect(error).toBeLessThan(2.5 * errorOf(strict, right));
    expect(bits((await run('three threads', { dw: fast }, feeds)).results['dw']!)).toEqual(bits(found));
  });
});

/** Zeros around x: those before it decide which of its cells hear from the tap in the middle. */
const around = (top: number, left: number, bottom = top, right = left) => ({ top, left, bottom, right });

describe.each([
  [1, 3e-6],
  [3, 4e-6],
  [32, 6e-6],
  [65, 8e-6],
])('stride 2, %i channels, error at most %f', (channels, most) => {
  const shapes: readonly (readonly [name: string, shape: Shape, padding: ReturnType<typeof around>])[] = [
    ['whole tiles', [3, 32, 16, channels], around(1, 1)],
    ['whole tiles, zeros after', [2, 16, 32, channels], around(0, 0, 1, 1)],
    ['ragged tiles', [3, 19, 27, channels], around(1, 1)],
    ['one row too many', [5, 18, 17, channels], around(1, 0)],
    ['smaller than a tile', [32, 4, 6, channels], around(1, 1)],
    ['no padding', [6, 15, 12, channels], around(0, 0)],
    ['padding 2 and 3', [6, 9, 14, channels], around(2, 3)],
    ['padding 0 and 1', [4, 13, 18, channels], around(0, 1, 2, 0)],
  ];
  test.each(shapes)('%s', async (_, shape, padding) => {
    const outer = channels + (channels % 3);
    const weightShape = [3, 3, channels, outer];
    const attributes = { ...attributesOf(0), padding, stride: { height: 2, width: 2 } };
    const [x, weight] = [input('x', shape), input('weight', weightShape)];
    const y = apply1(conv2dOp, [x, weight], attributes);
    const dy = input('dy', y.shape);
    const plain = {
      y,
      dx: apply1(conv2dGradientInput, [dy, weight], { ...attributes, inputShape: shape }),
      dw: apply1(conv2dGradientWeight, [x, dy], { ...attributes, weightShape }),
    };
    const start = (before: number): number => Math.floor((before - 1) / 2);
    const backward: StridedTiling = `backward ${(padding.top % 2) as 0 | 1}${(padding.left % 2) as 0 | 1}`;
    const tiled = (tiling: StridedTiling, source: Value, own: Value, { shape: outputShape }: Value, row: number, column: number): Value => {
      const [, , inner, last] = own.shape as readonly [number, number, number, number];
      const pack = { tiling, turned: tiling !== 'strided', panel: 8 };
      const { block, panelsPerSlice } = winogradBlocks({ inner, outer: last, outputShape }, tiling, pack.panel);
      const [layout, origin] = [
        { ...pack, panelsPerSlice },
        { row, column },
      ];
      return apply1(winogradConvolution, [source, apply1(winogradWeight, [own], layout)], {
        ...layout,
        block,
        origin,
        outputShape,
        weightShape: own.shape,
        isPlainWeight: false,
      });
    };
    const fast = {
      y: tiled('strided', x, weight, y, -padding.top, -padding.left),
      dx: tiled(backward, dy, transpose(weight, [0, 1, 3, 2]), x, start(padding.top), start(padding.left)),
      dw: apply1(winogradGradientWeight, [x, dy], { stride: 2, origin: { row: -padding.top, column: -padding.left } }),
    };
    const feeds = {
      x: normal(sizeOf(shape), 1),
      weight: normal(sizeOf(weightShape), 2, Math.sqrt(2 / (9 * channels))),
      dy: normal(sizeOf(dy.shape), 3),
    };
    const right = (await run('exact', plain, feeds)).results;
    const strict = (await run('strict', plain, feeds)).results;
    const found = (await run('default', fast, feeds)).results;
    const threaded = (await run('three threads', fast, feeds)).results;
    const question = { inner: channels, outer, isStatic: true };
    const pays: Readonly<Record<string, boolean>> = {
      y: stridedPays({ ...question, outputShape: y.shape }, 'strided'),
      dx: stridedPays({ ...question, outputShape: shape }, backward),
      dw: winogradGradientPays(shape, dy.shape, 2),
    };
    for (const name of Object.keys(fast)) {
      const error = errorOf(found[name]!, right[name]!);
      expect(error).toBeLessThan(most);
      if (pays[name]) expect(error).toBeLessThan(2.5 * errorOf(strict[name]!, right[name]!));
      expect(bits(threaded[name]!)).toEqual(bits(found[name]!));
    }
  });
});

test.each([
  [0, { height: 4, width: 5 }],
  [3, { height: 4, width: 5 }],
])('padding %i, beyond the window or none', async (padding, { height, width }) => {
  const { fast, plain, feeds } = forced({ shape: [1, height, width, 5], outer: 6, padding });
  const right = (await run('exact', { y: plain }, feeds)).results['y']!;
  expect(errorOf((await run('default', { y: fast }, feeds)).results['y']!, right)).toBeLessThan(4e-6);
});

describe('bits', () => {
  const shape = [3, 13, 18, 21];
  const outer = 43;

  test.each([
    [8, 1],
    [16, 1],
    [8, 4],
    [16, 3],
  ])('do not depend on where weights are transformed: panels of %i, %i in a slice', async (panel, panelsPerSlice) => {
    for (const transposed of [false, true]) {
      const block = 3 * 4 * 5;
      const each = [false, true].map((isPlainWeight) => forced({ shape, outer, transposed, block, panel, panelsPerSlice, isPlainWeight }));
      const [before, within] = await Promise.all(
        each.map(async ({ fast, feeds }) => (await run('default', { y: fast }, feeds)).results['y']!),
      );
      expect(bits(within!)).toEqual(bits(before!));
      expect(bits((await run('three threads', { y: each[1]!.fast }, each[1]!.feeds)).results['y']!)).toEqual(bits(before!));
    }
  });

  test.each<Tiling>([4, 2])('of tiles of %i depend neither on blocks, slices and panels nor on the number of threads', async (side) => {
    const { fast, feeds } = forced({ shape, outer, tiling: side });
    const expected = bits((await run('default', { y: fast }, feeds)).results['y']!);
    for (const block of [1, 5, 6, 13, 60]) {
      for (const [panel, panelsPerSlice] of [
        [8, 1],
        [8, 4],
        [8, 6],
        [16, 1],
        [16, 2],
      ] as const) {
        const { fast: other } = forced({ shape, outer, tiling: side, block, panel, panelsPerSlice });
        for (const name of ['default', 'three threads']) {
          const found = bits((await run(name, { y: other }, feeds)).results['y']!);
          expect(found.findIndex((word, i) => word !== expected[i])).toBe(-1);
        }
      }
    }
  });
});

describe('the choice', () => {
  const [batch, height, width, channels] = [2, 19, 22, 33] as const;
  const x = input('x', [batch, height, width, channels]);
  const weight = input('weight', [3, 3, channels, 40]);
  const feeds = { x: normal(sizeOf(x.shape), 3), weight: normal(sizeOf(weight.shape), 4, Math.sqrt(2 / (9 * channels))) };

  test('goes by options: the flag says so, the name of the step does, and strict is direct', () => {
    expect(runtimes.get('default')!.info.flags['winograd']).toBe(true);
    expect(runtimes.get('strict')!.info.flags['winograd']).toBe(false);
  });

  test('a convolution and its gradients: error within 2.5 times that of direct sums, the same bits on three threads', async () => {
    const y = conv2d(x, weight, { padding: 1 });
    const seed = input('seed', y.shape);
    const [dx, dw] = gradients(y, [x, weight], { seed });
    const outputs = { y, dx: dx!, dw: dw! };
    const all = { ...feeds, seed: normal(sizeOf(y.shape), 5) };
    const [right, fast, threaded, strict] = [
      await run('exact', outputs, all),
      await run('default', outputs, all),
      await run('three threads', outputs, all),
      await run('strict', outputs, all),
    ];
    expect(fast.ops.filter((op) => op === winogradConvolution.name)).toHaveLength(2);
    expect(fast.ops).toContain(winogradGradientWeight.name);
    expect(strict.ops.filter((op) => op.includes('winograd'))).toEqual([]);
    for (const name of Object.keys(outputs)) {
      const exact = right.results[name]!;
      expect(errorOf(fast.results[name]!, exact)).toBeLessThan(2.5 * errorOf(strict.results[name]!, exact));
      expect(bits(threaded.results[name]!)).toEqual(bits(fast.results[name]!));
    }
  });

  test('bias, batch norm, residual and ReLU stay one step, and weights are transformed once per version', async () => {
    const w = variable('w', weight.shape, feeds.weight);
    const [bias, scale, shift] = ['bias', 'scale', 'shift'].map((name, i) => variable(name, [40], normal(40, 6 + i)));
    const residual = input('residual', [batch, height, width, 40]);
    const y = map([conv2d(x, w, { padding: 1, bias: bias! }), scale!, shift!, residual], (v, s, t, r) =>
      e.max(e.add(e.add(e.mul(v, s), t), r), 0),
    );
    const all = { x: feeds.x, residual: normal(sizeOf(residual.shape), 9) };
    const exact = (await run('exact', { y }, all)).results['y']!;
    const strict = (await run('strict', { y }, all)).results['y']!;
    for (const name of ['default', 'three threads']) {
      const executable = await runtimes.get(name)!.compile({ outputs: { y } });
      expect(opsOf(executable)).toEqual([winogradConvolution.name]);
      expect(executable.schedule.prelude.map(({ node }) => node.op.name)).toContain(winogradWeight.name);
      expect(errorOf((await executable.run(all))['y']!, exact)).toBeLessThan(2.5 * errorOf(strict, exact));
      executable.dispose();
    }
  });

  test('goes by shape: few channels, few cells and weights that change are direct', () => {
    const sideOf = (inner: number, outer: number, outputShape: Shape, isStatic = true): Tiling | null =>
      winogradSide({ inner, outer, outputShape, isStatic });
    expect(sideOf(64, 64, [1, 56, 56, 64])).toBe(4);
    expect(sideOf(16, 64, [1, 55, 55, 64])).toBe(4);
    expect(sideOf(8, 64, [1, 55, 55, 64])).toBeNull();
    expect(sideOf(64, 8, [1, 55, 55, 8])).toBeNull();
    expect(sideOf(64, 64, [1, 2, 2, 64])).toBeNull();
    expect(sideOf(64, 64, [64, 3, 3, 64])).toBeNull();
    expect(sideOf(256, 256, [1, 14, 14, 256])).toBe(2);
    expect(sideOf(256, 256, [2, 14, 14, 256])).toBe(4);
    expect(sideOf(512, 512, [1, 7, 7, 512])).toBe(2);
    expect(sideOf(512, 512, [1, 7, 7, 512], false)).toBeNull();
    expect(sideOf(512, 512, [8, 7, 7, 512])).toBe(4);
    expect(sideOf(512, 512, [8, 7, 7, 512], false)).toBe(4);
    const gradientPays = (shape: Shape, outer: number): boolean => winogradGradientPays(shape, [...shape.slice(0, 3), outer], 1);
    expect(gradientPays([8, 56, 56, 64], 64)).toBe(true);
    expect(gradientPays([8, 7, 7, 512], 512)).toBe(true);
    expect(gradientPays([8, 56, 56, 8], 64)).toBe(false);
    expect(gradientPays([1, 14, 14, 256], 256)).toBe(false);
    expect(gradientPays([64, 3, 3, 64], 64)).toBe(false);
  });

  test('stride 2 goes by shape as well, forward and backward', async () => {
    const strided = (inner: number, outer: number, outputShape: Shape, isStatic = true): boolean =>
      stridedPays({ inner, outer, outputShape, isStatic }, 'strided');
    expect(strided(96, 96, [32, 16, 16, 96])).toBe(true);
    expect(strided(128, 128, [1, 28, 28, 128])).toBe(true);
    expect(strided(128, 128, [1, 28, 28, 128], false)).toBe(false);
    expect(strided(256, 256, [8, 14, 14, 256])).toBe(false);
    expect(strided(8, 128, [8, 28, 28, 128])).toBe(false);
    const backward = (channels: number, shape: Shape): boolean =>
      stridedPays({ inner: channels, outer: shape[3]!, outputShape: shape, isStatic: false }, 'backward 11');
    expect(backward(96, [32, 32, 32, 96])).toBe(true);
    expect(backward(256, [8, 28, 28, 256])).toBe(false);
    const gradientPays = (shape: Shape, dy: Shape): boolean => winogradGradientPays(shape, dy, 2);
    expect(gradientPays([32, 32, 32, 96], [32, 16, 16, 96])).toBe(true);
    expect(gradientPays([8, 14, 14, 256], [8, 7, 7, 512])).toBe(false);

    // 39 rows get a zero before the first, 40 columns none: the first cell hears from one tap along one axis, from two along the other.
    const x = input('x', [4, 39, 40, 128]);
    const own = variable('own', [3, 3, 128, 128], normal(9 * 128 * 128, 4, Math.sqrt(2 / (9 * 128))));
    const y = conv2d(x, own, { stride: 2, padding: 'same' });
    const seed = input('seed', y.shape);
    const [dx, dw] = gradients(y, [x, own], { seed });
    const outputs = { y, dx: dx!, dw: dw! };
    const all = { x: normal(sizeOf(x.shape), 3), seed: normal(sizeOf(y.shape), 5) };
    const [right, fast, strict] = [await run('exact', outputs, all), await run('default', outputs, all), await run('strict', outputs, all)];
    expect(fast.ops.filter((op) => op === winogradConvolution.name)).toHaveLength(2);
    expect(fast.ops).toContain(winogradGradientWeight.name);
    expect(strict.ops.filter((op) => op.includes('winograd'))).toEqual([]);
    for (const name of Object.keys(outputs)) {
      expect(errorOf(fast.results[name]!, right.results[name]!)).toBeLessThan(2.5 * errorOf(strict.results[name]!, right.results[name]!));
    }
  });

  test.each([
    ['few cells with stride 2', { stride: 2, padding: 1 }],
    ['dilation', { dilation: 2, padding: 2 }],
    ['groups', { groups: 3, padding: 1 }],
  ])('%s is direct', async (_, options) => {
    const grouped = input('weight', [3, 3, 'groups' in options ? 11 : 33, 48]);
    const { ops } = await run(
      'default',
      { y: conv2d(x, grouped, options) },
      { x: feeds.x, weight: new Float32Array(sizeOf(grouped.shape)) },
    );
    expect(ops.filter((op) => op.includes('winograd'))).toEqual([]);
  });
});
