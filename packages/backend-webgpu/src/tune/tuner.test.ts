import { memoryStore, type ChoiceStore } from '@shoal/cache/choices';
import {
  apply1,
  createRuntime,
  input,
  ShoalError,
  variable,
  type KernelSet,
  type Op,
  type Program,
  type Runtime,
  type Value,
} from '@shoal/core';
import { describe, expect, test, vi } from 'vitest';
import { openDevice, type AutotuneOptions } from '../adapter.ts';
import { WebgpuDevice } from '../device.ts';
import type { Gpu } from '../gpu.ts';
import { elements, tunedElements, variants, wgslKernel, type WebgpuKernel } from '../kernel.ts';
import { softwareBackend } from '../testing.ts';
import { webgpu } from '../webgpu.ts';
import { stopwatchOf, type Lap, type Stopwatch } from './stopwatch.ts';
import type { TunerParts } from './tuner.ts';

/** Doubles: threads take one, two or four elements. */
const double: Op<object> = { name: 'test/double', infer: ([x]) => [x!], vjp: { none: 'a test' }, cost: () => ({}) };
const kernel = wgslKernel(double, {
  fusion: { epilogue: true },
  emit({ inputs: [x], outputs: [y] }) {
    const taking = (count: number) => ({
      name: `${count} each`,
      print: () =>
        elements(
          Math.ceil(y!.size / count),
          `for (var k = i * ${count}; k < min(i * ${count} + ${count}, ${y!.size}); k++) { ${y!.write('k', `2.0 * ${x!.read('k')}`)} }`,
        ),
    });
    return [variants([taking(1), taking(2), taking(4)])];
  },
});
const halve: Op<object> = { ...double, name: 'test/halve' };
const halveKernel = wgslKernel(halve, {
  emit: ({ inputs: [x], outputs: [y] }) => [tunedElements(y!.size, y!.write('i', `0.5 * ${x!.read('i')}`))],
});
const doubled = (x: Value): Value => apply1(double, [x], {});
const halved = (x: Value): Value => apply1(halve, [x], {});

/** A clock that reads the same time for each variant, whatever it does. */
const fixed =
  (microseconds: Readonly<Record<string, number>>, seen: string[] = []) =>
  (): Stopwatch => ({
    resolution: 1,
    time(op, laps) {
      seen.push(op);
      return Promise.resolve(laps.map(({ variant, repeats }) => repeats * 1000 * microseconds[variant]!));
    },
  });
const forbidden = (): Stopwatch => ({ resolution: 1, time: () => Promise.reject(new Error('timed')) });

if (typeof (await softwareBackend()) === 'string') test.skip('tuning tests skipped: there is no software adapter');
else tuningTests();

function tuningTests(): void {
  interface Opened {
    readonly runtime: Runtime;
    readonly device: WebgpuDevice;
  }
  const open = async (
    options: AutotuneOptions | false | undefined,
    parts?: TunerParts,
    kernels: KernelSet<WebgpuKernel> = { kernel, halveKernel },
  ): Promise<Opened> => {
    let device: WebgpuDevice;
    const backend = {
      ...webgpu(),
      open: async () => (device = new WebgpuDevice(await openDevice({ software: true }), options && { ...options, software: true }, parts)),
    };
    const runtime = await createRuntime(backend, [kernels]);
    return { runtime, device: device! };
  };
  const x = input('x', [7]);
  const program: Program = { outputs: { y: doubled(x) } };
  const feeds = { x: [1, 2, 3, 4, 5, 6, 7] };
  const expected = { y: Float32Array.from([2, 4, 6, 8, 10, 12, 14]) };
  /** What a program runs, and what it gives. */
  const chosen = async (options: AutotuneOptions, parts: TunerParts) => {
    const { runtime } = await open(options, parts);
    const executable = await runtime.compile(program);
    expect(await executable.run(feeds)).toEqual(expected);
    await runtime.dispose();
    return executable.tuned.map(({ variant, by }) => ({ variant, by }));
  };

  describe('choosing', () => {
    test('the fastest variant runs, and the next runtime takes it without timing', async () => {
      const store = memoryStore();
      const stopwatch = fixed({ '1 each': 3, '2 each': 1, '4 each': 2 });
      expect(await chosen({}, { store, stopwatch })).toEqual([{ variant: '2 each', by: 'timing' }]);
      expect(await chosen({}, { store, stopwatch: forbidden })).toEqual([{ variant: '2 each', by: 'earlier timing' }]);
    });
    test('the estimate stays where another is hardly faster', async () => {
      const stopwatch = fixed({ '1 each': 100, '2 each': 98, '4 each': 99 });
      expect(await chosen({}, { store: memoryStore(), stopwatch })).toEqual([{ variant: '1 each', by: 'timing' }]);
    });
    test('a kept variant that is not offered is timed anew', async () => {
      const store: ChoiceStore = {
        ...memoryStore(),
        read: () => Promise.resolve({ 'test/double f32[7] -> f32[7] {}': '8 each' }),
      };
      const stopwatch = fixed({ '1 each': 3, '2 each': 2, '4 each': 1 });
      expect(await chosen({}, { store, stopwatch })).toEqual([{ variant: '4 each', by: 'timing' }]);
    });
    test('a variant that the driver refuses is not chosen', async () => {
      const refused = wgslKernel(double, {
        emit: (site) => [
          variants([
            { name: 'whole', print: () => kernel.emit(site as never)[0]! },
            { name: 'broken', print: () => elements(1, 'nonsense') },
          ]),
        ],
      });
      const stopwatch = fixed({ whole: 2, broken: 1 });
      const { runtime } = await open({}, { store: memoryStore(), stopwatch }, { refused });
      const executable = await runtime.compile(program);
      expect(executable.tuned).toMatchObject([{ variant: 'whole', by: 'timing' }]);
      await runtime.dispose();
    });
    test('laps are as long as the clock needs', async () => {
      const repeats: number[] = [];
      const stopwatch = (): Stopwatch => ({
        resolution: 20_000,
        time(_, laps) {
          repeats.push(laps[0]!.repeats);
          return Promise.resolve(laps.map((lap) => Math.max(20_000, 1000 * lap.repeats)));
        },
      });
      await chosen({}, { store: memoryStore(), stopwatch });
      // 16 times the resolution, found from a time that says only "less than the resolution".
      expect(repeats).toEqual([1, 1, 16, 256, 320, 320, 320, 320]);
    });
    test('software adapters and those who say no do not tune', async () => {
      for (const autotune of [undefined, false] as const) {
        const { runtime } = await open(autotune, { store: memoryStore(), stopwatch: forbidden });
        const executable = await runtime.compile(program);
        expect(executable.tuned).toEqual([]);
        expect(await executable.run(feeds)).toEqual(expected);
        await runtime.dispose();
      }
    });
    test('what the budget does not reach runs as estimated, and is timed next time; what takes longest is timed first', async () => {
      const store = memoryStore();
      let now = 0;
      const clock = (step: number): TunerParts => ({
        store,
        now: () => now,
        stopwatch: () => ({
          resolution: 1,
          time(op, laps: readonly Lap[]) {
            if (laps.length > 1) now += step;
            return Promise.resolve(laps.map(({ variant }) => (op === 'test/halve' ? 100 : 10) * (/^(1 each|64)/.test(variant) ? 2 : 1)));
          },
        }),
      });
      const both: Program = { outputs: { y: doubled(x), z: halved(x) } };
      const tuned = async (step: number) => {
        const progress: string[] = [];
        const { runtime } = await open(
          { budget: 50, onProgress: ({ kernel, done, total }) => progress.push(`${kernel.split(' ')[0]} ${done}/${total}`) },
          clock(step),
        );
        const executable = await runtime.compile(both);
        await runtime.dispose();
        return { progress, by: Object.fromEntries(executable.tuned.map(({ kernel, by }) => [kernel.split(' ')[0], by])) };
      };
      expect(await tuned(60)).toEqual({
        progress: ['test/halve 0/2'],
        by: { 'test/halve': 'timing', 'test/double': 'estimate' },
      });
      expect(await tuned(1)).toEqual({
        progress: ['test/double 0/1'],
        by: { 'test/halve': 'earlier timing', 'test/double': 'timing' },
      });
    });
    test('where memory is lacking for a copy of what a kernel updates, it runs as estimated', async () => {
      const v = variable('v', [7], [1, 2, 3, 4, 5, 6, 7]);
      const stopwatch = (gpu: Gpu): Stopwatch => ({
        resolution: 1,
        time(op, laps) {
          vi.spyOn(gpu, 'createBuffer').mockRejectedValue(new ShoalError('MEMORY', { op, fact: 'none is left' }));
          return Promise.resolve(laps.map(() => 1e6));
        },
      });
      const { runtime } = await open({}, { store: memoryStore(), stopwatch });
      const executable = await runtime.compile({ outputs: {}, updates: [[v, doubled(x)]] });
      vi.restoreAllMocks();
      expect(executable.tuned).toMatchObject([{ variant: '1 each', by: 'estimate' }]);
      await executable.run(feeds);
      expect([...(await runtime.read(v))]).toEqual([...expected.y]);
      await runtime.dispose();
    });
    test('a plan times nothing', async () => {
      const { runtime } = await open({}, { store: memoryStore(), stopwatch: forbidden });
      expect((await runtime.plan(program)).arenaBytes).toBeGreaterThan(0);
      await runtime.dispose();
    });
    test('the same work in several places is timed once', async () => {
      const seen: string[] = [];
      const stopwatch = fixed({ '1 each': 3, '2 each': 2, '4 each': 1 }, seen);
      const { runtime } = await open({}, { store: memoryStore(), stopwatch });
      const executable = await runtime.compile({ outputs: { y: doubled(doubled(doubled(x))) } });
      expect(executable.tuned).toEqual([{ kernel: 'test/double f32[7] -> f32[7] {}', launches: 3, variant: '4 each', by: 'timing' }]);
      // To warm up, twice to find how often, and three rounds.
      expect(seen).toHaveLength(6);
      expect([...(await executable.run(feeds))['y']!]).toEqual([8, 16, 24, 32, 40, 48, 56]);
      await runtime.dispose();
    });
  });

  describe.each([
    ['timestamps', stopwatchOf],
    ['the clock of the host', (gpu: Gpu) => stopwatchOf(gpu, null)],
  ])('with %s', (_, stopwatch) => {
    test('variables that the timed kernels update are as they were, and no buffer is left', async () => {
      const v = variable('v', [7], [1, 2, 3, 4, 5, 6, 7]);
      const step: Program = { outputs: {}, updates: [[v, doubled(x)]] };
      const [tuning, plain] = [await open({ budget: 60_000 }, { store: memoryStore(), stopwatch }), await open(false)];
      const usages = [];
      for (const { runtime, device } of [tuning, plain]) {
        const executable = await runtime.compile(step);
        expect(executable.schedule.updates).toMatchObject([{ direct: true }]);
        expect([...(await runtime.read(v))]).toEqual([1, 2, 3, 4, 5, 6, 7]);
        await executable.run({ x: [7, 6, 5, 4, 3, 2, 1] });
        expect([...(await runtime.read(v))]).toEqual([14, 12, 10, 8, 6, 4, 2]);
        const { pipelines: _, ...held } = device.usage;
        usages.push(held);
        if (runtime === tuning.runtime) expect(executable.tuned).toMatchObject([{ by: 'timing' }]);
        await runtime.dispose();
      }
      expect(usages[0]).toEqual(usages[1]);
    });
    test('a device that is lost meanwhile is a DEVICE error', async () => {
      const { runtime } = await open(
        {},
        {
          store: memoryStore(),
          stopwatch(gpu) {
            const real = stopwatch(gpu);
            return {
              ...real,
              time: (op, laps) => {
                if (laps.length > 1) gpu.device.destroy();
                return real.time(op, laps);
              },
            };
          },
        },
      );
      await expect(runtime.compile(program)).rejects.toMatchObject({ code: 'DEVICE', message: expect.stringContaining('lost') });
      await runtime.dispose();
    });
  });
}
