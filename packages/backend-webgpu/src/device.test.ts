import {
  apply1,
  constant,
  createRuntime,
  expression as e,
  fill,
  input,
  map,
  mapExpression,
  randomBits,
  reduce,
  reshape,
  sizeOf,
  variable,
  type Backend,
  type Op,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { elements, wgslKernel, type WebgpuKernel } from './kernel.ts';
import { softwareBackend } from './testing.ts';

const opened = await softwareBackend();
if (typeof opened === 'string') test.skip(`webgpu device tests skipped: ${opened}`);
else deviceTests(opened);

function deviceTests(backend: Backend<WebgpuKernel>): void {
  let runtime: Awaited<ReturnType<typeof createRuntime>>;
  let oracle: Awaited<ReturnType<typeof createRuntime>>;
  beforeAll(async () => {
    runtime = await createRuntime(backend);
    oracle = await createRuntime(reference());
  });
  afterAll(async () => {
    await runtime.dispose();
    await oracle.dispose();
  });

  const compute = async (y: Value, feeds = {}): Promise<number[]> => [
    ...(await (await runtime.compile({ outputs: { y } })).run(feeds))['y']!,
  ];
  const ramp = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.25);

  describe('running', () => {
    test('all updates see the old values, and so do outputs', async () => {
      const [a, b, c] = [variable('a', [2], [1, 2]), variable('b', [2], [10, 20]), variable('c', [2], [5, 5])];
      const executable = await runtime.compile({
        outputs: { a, c },
        updates: [
          [a, b],
          [b, a],
          [c, map([c], (v) => e.mul(v, 2))],
        ],
      });
      const first = await executable.run();
      expect([[...first['a']!], [...first['c']!]]).toEqual([
        [1, 2],
        [5, 5],
      ]);
      expect(await Promise.all([a, b, c].map(async (each) => [...(await runtime.read(each))]))).toEqual([
        [10, 20],
        [1, 2],
        [10, 10],
      ]);
    });
    test('an update in place is seen by no other update', async () => {
      const [a, b] = [variable('a', [2], [1, 2]), variable('b', [2])];
      const executable = await runtime.compile({
        outputs: {},
        updates: [
          [a, map([a], (v) => e.add(v, 1))],
          [b, a],
        ],
      });
      await executable.run();
      await executable.run();
      expect([[...(await runtime.read(a))], [...(await runtime.read(b))]]).toEqual([
        [3, 4],
        [2, 3],
      ]);
    });
    test('what depends on variables alone is recomputed when they are written', async () => {
      const [w, x] = [variable('w', [3], [1, 2, 3]), input('x', [3])];
      const folded = reduce(
        map([w], (v) => e.mul(v, v)),
        { kind: 'sum' },
      );
      const executable = await runtime.compile({ outputs: { y: map([x, folded], (a, s) => e.add(a, s)) } });
      expect([...(await executable.run({ x: [0, 1, 2] }))['y']!]).toEqual([14, 15, 16]);
      await runtime.write(w, [1, 0, 0]);
      expect([...(await executable.run({ x: [0, 1, 2] }))['y']!]).toEqual([1, 2, 3]);
    });
    test('an update with a value computed once is applied at every run', async () => {
      const [w, v] = [variable('w', [2], [3, 4]), variable('v', [2])];
      const executable = await runtime.compile({ outputs: {}, updates: [[v, map([w], (a) => e.mul(a, 2))]] });
      await executable.run();
      await runtime.write(v, [0, 0]);
      await executable.run();
      expect([...(await runtime.read(v))]).toEqual([6, 8]);
    });
    test('inputs, constants and empty tensors can be outputs', async () => {
      const [x, empty] = [input('x', [2]), input('empty', [0, 3])];
      const executable = await runtime.compile({
        outputs: { x, one: constant([7], [1]), empty, total: reduce(empty, { kind: 'sum', axes: [0] }) },
      });
      const result = await executable.run({ x: [4, 5], empty: [] });
      expect(Object.fromEntries(Object.entries(result).map(([name, data]) => [name, [...data]]))).toEqual({
        x: [4, 5],
        one: [7],
        empty: [],
        total: [0, 0, 0],
      });
    });
    test('only what is fetched comes back', async () => {
      const x = input('x', [2]);
      const executable = await runtime.compile({ outputs: { a: map([x], (v) => e.add(v, 1)), b: map([x], (v) => e.mul(v, 2)) } });
      expect(await executable.run({ x: [1, 2] }, { fetch: ['b'] })).toEqual({ b: Float32Array.from([2, 4]) });
    });
    test('times are positive, by the clock that the device says', async () => {
      const x = input('x', [64]);
      const executable = await runtime.compile({
        outputs: {
          y: reduce(
            map([x], (v) => e.exp(v)),
            { kind: 'sum' },
          ),
        },
      });
      const { nanoseconds, clock, steps } = await executable.timed({ x: ramp(64) }, { profile: true });
      expect(clock).toBe(runtime.info.clock);
      expect(nanoseconds).toBeGreaterThan(0);
      expect(steps!.map(({ op }) => op)).toEqual(['core/reduce']);
      expect(steps!.map(({ step }) => step)).toEqual(executable.schedule.steps);
      expect(steps![0]!.nanoseconds).toBe(nanoseconds);
      expect((await executable.timed({ x: ramp(64) }, { fetch: [] })).nanoseconds).toBeGreaterThan(0);
    });
    test('the memory plan is the arena', async () => {
      let y: Value = input('x', [1000]);
      for (let i = 0; i < 6; i++) y = reduce(reshape(randomLike(y), [1, 1000]), { kind: 'sum', axes: [0] });
      const { memory } = await runtime.compile({ outputs: { y } });
      expect(memory.arenaBytes).toBeLessThan(memory.unsharedBytes);
    });
  });

  /** The backend on an adapter that says that it has nothing beside what every one has. */
  function withoutFeatures(own: Backend<WebgpuKernel>): Backend<WebgpuKernel> {
    const requestAdapter: GPU['requestAdapter'] = Reflect.get(GPU.prototype, 'requestAdapter');
    const open = async () => {
      const spy = vi.spyOn(GPU.prototype, 'requestAdapter').mockImplementation(async function (this: GPU, options) {
        const adapter = (await requestAdapter.call(this, options))!;
        const requestDevice = adapter.requestDevice.bind(adapter);
        return { features: new Set(), limits: adapter.limits, info: adapter.info, requestDevice } as unknown as GPUAdapter;
      });
      return own.open().finally(() => spy.mockRestore());
    };
    return { ...own, open };
  }

  /** An op that no other kernel absorbs. */
  function randomLike(x: Value): Value {
    const bits = randomBits(constant(1, [], 'u32'), { stream: 0, seed: 0, shape: x.shape });
    return map([x, bits], (a, b) => e.add(a, e.cast(b, 'f32')));
  }

  describe('sizes', () => {
    test('more than 65535 workgroups are folded', async () => {
      const n = 65535 * 64 + 777;
      const y = map([fill(1, [n])], (a) => e.add(a, e.cast(e.coordinate(0), 'f32')));
      const data = (await (await runtime.compile({ outputs: { y } })).run())['y']!;
      expect([0, 1, 65535 * 64 - 1, 65535 * 64, n - 1].map((i) => data[i])).toEqual([1, 2, 65535 * 64, 65535 * 64 + 1, n]);
      expect(data.every((value, i) => value === i + 1)).toBe(true);
    });
    test.each<['sum' | 'max' | 'min', number, number, (0 | 1)?]>([
      ['sum', 2, 300_001],
      ['max', 3, 20_011],
      ['min', 1, 70_000],
      ['sum', 300, 5000],
      ['sum', 20_000, 100],
      ['sum', 2, 300_001, 1],
      ['max', 300, 500, 1],
    ])('%s of %d results of %d terms', async (kind, results, terms, axis = 0) => {
      const x = input('x', axis === 0 ? [terms, results] : [results, terms]);
      const program = { outputs: { y: reduce(x, { kind, axes: [axis] }) } };
      const feeds = { x: ramp(terms * results) };
      const [actual, expected] = await Promise.all(
        [runtime, oracle].map(async (each) => (await (await each.compile(program)).run(feeds))['y']!),
      );
      const scale = Math.max(1, ...expected!.map(Math.abs));
      expect(Math.max(...expected!.map((value, i) => Math.abs(value - actual![i]!)))).toBeLessThan(1e-7 * scale);
    });
    test('subgroups change no bit', async (context) => {
      const supported = String(runtime.info.flags['features']).split(' ').includes('subgroups');
      if (!supported) context.skip('the adapter has no subgroups');
      const plain = await createRuntime(withoutFeatures(backend));
      const shapes = [
        [7, 1000],
        [3, 5001],
        [40_000, 3],
        [20_000, 48],
      ] as const;
      const inputs = shapes.map((shape, k) => input(`x${k}`, shape));
      const outputs = Object.fromEntries(
        inputs.flatMap((x, k) => [
          [`sum${k}`, reduce(x, { kind: 'sum', axes: [k < 2 ? 1 : 0] })],
          [`max${k}`, reduce(x, { kind: 'max', axes: [k < 2 ? 1 : 0] })],
        ]),
      );
      const feeds = Object.fromEntries(shapes.map((shape, k) => [`x${k}`, ramp(sizeOf(shape))]));
      const modules = vi.spyOn(GPUDevice.prototype, 'createShaderModule');
      const [own, other] = await Promise.all([runtime, plain].map(async (each) => (await each.compile({ outputs })).run(feeds)));
      const shaders = modules.mock.calls.map(([{ code }]) => code);
      modules.mockRestore();
      await plain.dispose();
      expect(own).toEqual(other);
      const shuffled = shaders.filter((code) => code.includes('subgroupShuffleDown'));
      expect([shuffled.length, shaders.length - shuffled.length].map((count) => count >= shapes.length)).toEqual([true, true]);
    });
    test('the same run gives the same bits', async () => {
      const x = input('x', [100_000]);
      const executable = await runtime.compile({
        outputs: {
          y: reduce(
            map([x], (a) => e.exp(a)),
            { kind: 'sum' },
          ),
        },
      });
      const runs = await Promise.all([1, 2, 3].map(async () => (await executable.run({ x: ramp(100_000) }))['y']![0]));
      expect(new Set(runs).size).toBe(1);
    });
    test('a kernel that reads more tensors than the device binds', async () => {
      const inputs = Array.from({ length: 14 }, (_, k) => input(`x${k}`, [6, 5]));
      const total = (values: readonly Value[]): Value => map(values, (...terms) => terms.reduce((a, b) => e.add(a, b)));
      const sum = reshape(reduce(reshape(total(inputs.slice(0, 7)), [6, 5, 1]), { kind: 'sum', axes: [2] }), [6, 5]);
      const y = total([sum, ...inputs.slice(7, 13)]);
      const executable = await runtime.compile({ outputs: { y } });
      const feeds = Object.fromEntries(
        inputs.slice(0, 13).map((_, k) => [`x${k}`, Float32Array.from({ length: 30 }, (_, i) => i + 100 * k)]),
      );
      expect([...(await executable.run(feeds))['y']!]).toEqual(Array.from({ length: 30 }, (_, i) => 13 * i + 7800));
    });
  });

  describe('expressions', () => {
    const [x, y] = [e.operand(0), e.operand(1)];
    const smooth: fc.Arbitrary<e.Expression> = fc.letrec<{ tree: e.Expression }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(x, y),
        fc.double({ min: -2, max: 2, noNaN: true }).map((v) => e.literal(v)),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.add(a, b)),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.mul(e.tanh(a), b)),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.max(a, e.neg(b))),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.div(a, e.add(1.5, e.mul(b, b)))),
        tie('tree').map((a) => e.exp(e.tanh(a))),
        tie('tree').map((a) => e.log(e.add(2, e.mul(a, a)))),
        tie('tree').map((a) => e.pow(e.add(1, e.mul(a, a)), 0.3)),
      ),
    })).tree;
    test('random ones agree with their definition', async () => {
      const inputs = [input('x', [9]), input('y', [9])];
      await fc.assert(
        fc.asyncProperty(fc.array(smooth, { minLength: 8, maxLength: 8 }), async (trees) => {
          const computed = trees.map((tree, k) => [`${k}`, mapExpression(tree, inputs, [9])] as const);
          const outputs = { x: inputs[0]!, y: inputs[1]!, ...Object.fromEntries(computed) };
          const feeds = { x: ramp(9), y: ramp(18).subarray(9) };
          const [actual, expected] = await Promise.all([runtime, oracle].map(async (each) => (await each.compile({ outputs })).run(feeds)));
          for (const name of Object.keys(outputs)) {
            expected![name]!.forEach((value, i) =>
              expect(Math.abs(actual![name]![i]! - value)).toBeLessThan(2e-5 * Math.max(1, Math.abs(value))),
            );
          }
        }),
        { numRuns: 20, seed: 2013 },
      );
    });
    test('tanh neither overflows nor loses small arguments', async () => {
      const at = [-1000, -90, -3, -0.25, -1e-4, 1e-20, 0.2, 0.3, 2, 50, 1e30];
      const actual = await compute(map([constant(at, [at.length])], (a) => e.add(e.tanh(a), e.mul(0, a))));
      const fed = input('x', [at.length]);
      const onDevice = await compute(
        map([fed], (a) => e.tanh(a)),
        { x: Float32Array.from(at) },
      );
      for (const values of [actual, onDevice])
        values.forEach((value, i) => expect(Math.abs(value / Math.tanh(at[i]!) - 1)).toBeLessThan(1e-6));
    });
    test('a negative base has whole powers', async () => {
      const [a, b] = [input('a', [5]), input('b', [5])];
      const values = await compute(
        map([a, b], (p, q) => e.pow(p, q)),
        { a: [-2, -2, -3, 0, 0], b: [3, -2, 0, 2, 0] },
      );
      [-8, 0.25, 1, 0, 1].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
    });
    test('casts saturate and rounding goes to even', async () => {
      const fed = input('x', [6]);
      const at = { x: [1e12, -1e12, -1.9, 2147483520, 2.5, -3.5] };
      expect(
        await compute(
          map([fed], (a) => e.cast(a, 'i32')),
          at,
        ),
      ).toEqual([0x7fffffff, -0x80000000, -1, 2147483520, 2, -3]);
      expect(
        await compute(
          map([fed], (a) => e.cast(a, 'u32')),
          at,
        ),
      ).toEqual([0xffffffff, 0, 0, 2147483520, 2, 0]);
      expect(
        (
          await compute(
            map([fed], (a) => e.round(a)),
            at,
          )
        ).slice(4),
      ).toEqual([2, -4]);
    });
  });

  describe('failing', () => {
    const broken: Op<object> = { name: 'test/broken', infer: ([x]) => [x!], vjp: { none: 'a test' }, cost: () => ({}) };
    const program = { outputs: { y: apply1(broken, [input('x', [3])], {}) } };
    test('a shader that does not compile is a DEVICE error with the op and the words of the compiler', async () => {
      const kernel = wgslKernel(broken, { emit: ({ outputs: [y] }) => [elements(y!.size, y!.write('i', 'nonsense(i)'))] });
      const own = await createRuntime(backend, [{ kernel }]);
      await expect(own.compile(program)).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringMatching(/^test\/broken: its shader does not compile:.*'nonsense'/s),
      });
      await own.dispose();
    });
    test('an aborted run changes nothing', async () => {
      const w = variable('w', [1], 1);
      const executable = await runtime.compile({ outputs: {}, updates: [[w, map([w], (a) => e.add(a, 1))]] });
      await expect(executable.run({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
      const controller = new AbortController();
      const running = executable.run({}, { signal: controller.signal });
      controller.abort();
      await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
      expect([...(await runtime.read(w))]).toEqual([1]);
    });
    test('what was disposed is refused', async () => {
      const own = await createRuntime(backend);
      const executable = await own.compile({ outputs: { y: map([input('x', [2])], (a) => e.exp(a)) } });
      executable.dispose();
      await expect(executable.run({ x: [1, 2] })).rejects.toMatchObject({ code: 'DISPOSED' });
      await own.dispose();
      await expect(own.compile({ outputs: {} })).rejects.toMatchObject({ code: 'DISPOSED' });
    });
    test('a tensor beyond what the device holds is a MEMORY error before anything runs', async () => {
      const size = Number(runtime.info.flags['maxBufferSize']);
      const shape = [Math.ceil(size / 4) + 1];
      expect(sizeOf(shape) * 4).toBeGreaterThan(size);
      await expect(runtime.compile({ outputs: { y: fill(1, shape) } })).rejects.toMatchObject({ code: 'MEMORY' });
    });
    test('a buffer that it allows but has no memory for is a MEMORY error, and the runtime goes on', async () => {
      // SwiftShader's allocations end a little below its largest buffer.
      const x = input('x', [Number(runtime.info.flags['maxBufferSize']) / 4 - 64]);
      await expect(runtime.compile({ outputs: { y: map([x], (a) => e.exp(a)) } })).rejects.toMatchObject({
        code: 'MEMORY',
        message: expect.stringMatching(
          /^compile: the device is out of memory, with \d+ bytes held by this runtime: vkAllocateMemory failed/,
        ),
      });
      expect(
        await compute(
          map([input('x', [1])], (a) => e.exp(a)),
          { x: [0] },
        ),
      ).toEqual([1]);
    });
    test('the device says what it is', () => {
      const { device, flags, notes, clock } = runtime.info;
      expect(device).toMatch(/swiftshader/i);
      expect(flags).toMatchObject({ software: true, maxBufferSize: expect.any(Number) });
      expect(notes).toContain('a software adapter: its times say nothing about a GPU');
      expect(clock).toMatch(/^(timestamp-query|performance\.now .*)$/);
    });
  });
}
