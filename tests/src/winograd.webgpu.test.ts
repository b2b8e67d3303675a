import { wasm } from '@shoal/backend-wasm';
import { webgpu } from '@shoal/backend-webgpu';
import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { convWebgpu } from '@shoal/conv/webgpu';
import {
  apply1,
  createRuntime,
  gradients,
  input,
  transpose,
  variable,
  type Feeds,
  type Runtime,
  type Shape,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { kaimingNormal, parameter } from '@shoal/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyWinograd, winogradPays } from '../../packages/conv/src/webgpu/winograd/choice.ts';
import { winogradConvolution } from '../../packages/conv/src/webgpu/winograd/convolution.ts';
import { winogradWeight } from '../../packages/conv/src/webgpu/winograd/weight.ts';
import { onWebgpu } from './webgpu.ts';

/** Normally distributed, the same for the same shape and seed. */
const normal = (shape: Shape, seed = 1): Float32Array => Float32Array.from(parameter('normal', shape, kaimingNormal({ seed })).initial());

await onWebgpu(() =>
  describe("Winograd's way on webgpu", () => {
    const runtimes: Record<string, Runtime> = {};
    beforeAll(async () => {
      runtimes['exact'] = await createRuntime(reference(), [convReference]);
      runtimes['default'] = await createRuntime(webgpu({ software: true }), [convWebgpu]);
      // The yardstick of both backends: direct sums, one product after the other, each rounded.
      runtimes['direct'] = await createRuntime(wasm({ threads: 1, precision: 'strict' }), [convWasm]);
      runtimes['strict'] = await createRuntime(webgpu({ software: true, precision: 'strict' }), [convWebgpu]);
    });
    afterAll(async () => {
      for (const runtime of Object.values(runtimes)) await runtime.dispose();
    });

    interface Ran {
      readonly values: Readonly<Record<string, ArrayLike<number>>>;
      readonly ops: readonly string[];
    }
    const run = async (name: string, outputs: Readonly<Record<string, Value>>, feeds: Feeds): Promise<Ran> => {
      const executable = await runtimes[name]!.compile({ outputs });
      const values = await executable.run(feeds);
      executable.dispose();
      return { values, ops: executable.schedule.steps.map(({ node }) => node.op.name) };
    };
    /** The largest error in units of the root mean square of what is right. */
    const errorOf = (found: ArrayLike<number>, right: ArrayLike<number>): number => {
      const exact = Array.from(right);
      const squares = exact.reduce((sum, value) => sum + value * value, 0);
      const most = exact.reduce((largest, value, i) => Math.max(largest, Math.abs(value - found[i]!)), 0);
      return most / Math.sqrt(squares / exact.length);
    };

    // Up to the number of channels that makes it worth while, direct sums are shorter than what the transforms round.
    describe.each([
      [1, 4e-6],
      [3, 5e-6],
      [32, 7e-6],
      [65, 9e-6],
    ])('%i channels', (channels, most) => {
      test.each([
        [[2, 13, 14], 1],
        [[2, 8, 12], 1],
        [[3, 5, 17], 0],
        [[8, 2, 3], 1],
        [[2, 7, 6], 2],
      ] as const)('%j, padding %i: forward and both gradients', async ([n, h, w], padding) => {
        const [x, weight] = [input('x', [n, h, w, channels]), input('weight', [3, 3, channels, channels])];
        const y = conv2d(x, weight, { padding });
        const seed = input('seed', y.shape);
        const [dx, dw] = gradients(y, [x, weight], { seed });
        const feeds = { x: normal(x.shape), weight: normal(weight.shape, 2), seed: normal(y.shape, 3) };
        const winograd = (source: Value, own: Value, first: number, outputShape: readonly number[], turned: boolean): Value =>
          apply1(winogradConvolution, [source, apply1(winogradWeight, [own], { turned })], {
            outputShape,
            origin: { row: first, column: first },
          });
        const fast = {
          y: winograd(x, weight, -padding, y.shape, false),
          dx: winograd(seed, transpose(weight, [0, 1, 3, 2]), padding - 2, x.shape, true),
        };
        const plain = { y, dx: dx!, dw: dw! };
        const exact = (await run('exact', plain, feeds)).values;
        const found = (await run('default', fast, feeds)).values;
        for (const name of ['y', 'dx']) expect(errorOf(found[name]!, exact[name]!)).toBeLessThan(most);
        // Where most taps of a cell fall on padding, and with few channels, direct sums are short: there it is not chosen.
        if (channels < 32 || h < 4 || (padding > 1 && channels < 64)) return;
        const direct = (await run('direct', plain, feeds)).values;
        for (const name of ['y', 'dx'])
          expect(errorOf(found[name]!, exact[name]!)).toBeLessThan(2.5 * errorOf(direct[name]!, exact[name]!));
        const own = (await run('default', { dw: dw! }, { x: feeds.x, seed: feeds.seed })).values;
        expect(errorOf(own['dw']!, exact['dw']!)).toBeLessThan(2.5 * errorOf(direct['dw']!, exact['dw']!));
      });
    });

    test('it is chosen by shape and options, and weights are transformed once per version', async () => {
      const x = input('x', [1, 24, 20, 128]);
      const weight = variable('weight', [3, 3, 128, 96], normal([3, 3, 128, 96]));
      const bias = variable('bias', [96], normal([1, 96]));
      const y = conv2d(x, weight, { padding: 1, bias });
      const executable = await runtimes['default']!.compile({ outputs: { y } });
      expect(executable.schedule.steps.map(({ node }) => node.op.name)).toEqual([winogradConvolution.name]);
      expect(executable.schedule.prelude.map(({ node }) => node.op.name)).toContain(winogradWeight.name);
      const feeds = { x: normal(x.shape) };
      expect((await run('strict', { y }, feeds)).ops).toEqual(['conv/conv2d']);
      const [exact, direct] = [await run('exact', { y }, feeds), await run('direct', { y }, feeds)];
      const limit = 2.5 * errorOf(direct.values['y']!, exact.values['y']!);
      expect(errorOf((await executable.run(feeds))['y']!, exact.values['y']!)).toBeLessThan(limit);
      executable.dispose();
      const pays = (channels: number, side: number, isStatic: boolean): boolean =>
        winogradPays({ inner: channels, outer: channels, outputShape: [1, side, side, channels], isStatic });
      expect([pays(256, 56, true), pays(256, 56, false), pays(128, 28, true)]).toEqual([true, true, true]);
      expect([pays(8, 56, true), pays(512, 7, true), pays(512, 14, false), pays(256, 3, true)]).toEqual([false, false, false, false]);
    });

    test.each([
      ['stride', { stride: 2, padding: 1 }, 3],
      ['dilation', { dilation: 2, padding: 2 }, 3],
      ['groups', { groups: 2, padding: 1 }, 3],
      ['another window', { padding: 2 }, 5],
    ])('%s is direct', (_, options, side) => {
      const [x, weight] = [input('x', [1, 40, 40, 128]), input('w', [side, side, 'groups' in options ? 64 : 128, 128])];
      const [node] = [conv2d(x, weight, options).origin];
      if (node.kind !== 'node') throw new Error('a convolution is a node');
      const lowering = { device: runtimes['default']!.info, isStatic: () => true };
      const target = { outputShape: [1, 40, 40, 128], transposed: false };
      expect(applyWinograd({ source: x, weight }, node.node.attributes as never, target, lowering)).toBeNull();
    });
  }),
);
