import {
  apply1,
  broadcastTo,
  constant,
  createRuntime,
  expression as e,
  input,
  map,
  mapExpression,
  reduce,
  variable,
  type Backend,
  type Op,
  type Runtime,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocks, cudaKernel, elements, phase, shared, type CudaKernel, type Launch } from '../kernel.ts';
import { emulatedBackend } from '../testing.ts';

const opened = await emulatedBackend();
if (typeof opened === 'string') test.skip(`cuda emulation tests skipped: ${opened}`);
else emulationTests(opened);

/** An op of the test's own: what its kernel does is given. */
function opWith(emit: (read: (index: string) => string, write: (index: string, value: string) => string) => readonly Launch[]) {
  const op: Op<object> = {
    name: 'test/own',
    infer: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
    vjp: { none: 'a test' },
    cost: () => ({}),
  };
  return { op, kernel: cudaKernel(op, { emit: ({ inputs: [x], outputs: [y] }) => emit(x!.read, y!.write) }) };
}

function emulationTests(backend: Backend<CudaKernel>): void {
  const run = async (emit: Parameters<typeof opWith>[0], size: number): Promise<readonly number[]> => {
    const { op, kernel } = opWith(emit);
    const runtime = await createRuntime(backend, [{ kernel }]);
    const executable = await runtime.compile({ outputs: { y: apply1(op, [input('x', [size])], {}) } });
    return [...(await executable.run({ x: Float32Array.from({ length: size }, (_, i) => i) }))['y']!];
  };

  describe('what a GPU would not say', () => {
    test('an index outside a tensor is an error, and says where', async () => {
      const beyond = run((read, write) => [elements(8, write('i', read('i + 1')))], 8);
      await expect(beyond).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringMatching(/index 8 of t0 .*which has 8 elements/),
      });
      await expect(run((read, write) => [elements(8, write('i - 1', read('i')))], 8)).rejects.toThrow(/index -1 of t1/);
    });
    test('memory that nobody wrote is NaN', async () => {
      expect(await run((read, write) => [elements(3, write('i', read('i')))], 5)).toEqual([0, 1, 2, NaN, NaN]);
    });
    test('a missing barrier shows, in even and in odd blocks', async () => {
      const mirror = (separate: boolean) => (read: (index: string) => string, write: (index: string, value: string) => string) => {
        const put = `cell[lane] = ${read('group * 64 + lane')};`;
        const get = write('group * 64 + lane', 'cell[63 - lane]');
        const body = separate ? phase(64, put) + phase(64, get) : phase(64, put + get);
        return [blocks(2, 64, shared('float', 'cell', 64) + body)];
      };
      const mirrored = Array.from({ length: 128 }, (_, i) => (i < 64 ? 63 - i : 191 - i));
      expect(await run(mirror(true), 128)).toEqual(mirrored);
      const wrong = await run(mirror(false), 128);
      expect(wrong.slice(0, 64)).not.toEqual(mirrored.slice(0, 64));
      expect(wrong.slice(64)).not.toEqual(mirrored.slice(64));
    });
  });

  describe('copies to the memory of a block', () => {
    /** Each block copies 64 elements in fours, in two groups, and writes what is there after `then`. */
    const copied = (then: string, from = 'group * 64 + lane * 4', shown = 'cell[e * 16 + lane]') => {
      const op = copyOp();
      const kernel = cudaKernel(op, {
        emit({ inputs: [x], outputs: [y] }) {
          const begin = `${x!.copy('cell + lane * 4', `lane < 8 ? ${from} : -1`, 4)}\nshoal_commit(lane);`;
          const second = `${x!.copy('cell + 64 + lane * 4', from, 4)}\nshoal_commit(lane);`;
          const get = `for (int e = 0; e < 8; e++) { ${y!.write('group * 128 + e * 16 + lane', shown)} }`;
          const memory = shared('float', 'cell', 128) + shared('float', 'seen', 16);
          const fill = 'for (int e = 0; e < 8; e++) cell[e * 16 + lane] = -1.0f;';
          return [blocks(2, 16, memory + phase(16, fill) + phase(16, begin + second) + phase(16, then) + phase(16, get))];
        },
      });
      return runOp(op, kernel);
    };
    const nothing = Array<number>(64).fill(NaN);
    const half = (first: number): number[] => Array.from({ length: 64 }, (_, i) => (i < 32 ? first + i : 0));
    const whole = (first: number): number[] => Array.from({ length: 64 }, (_, i) => first + i);

    test('are there after the wait for their group, and what was there is gone before', async () => {
      expect(await copied('shoal_wait<0>(lane);')).toEqual([...half(0), ...whole(0), ...half(64), ...whole(64)]);
      expect(await copied('shoal_wait<1>(lane);')).toEqual([...half(0), ...nothing, ...half(64), ...nothing]);
      expect(await copied('')).toEqual([...nothing, ...nothing, ...nothing, ...nothing]);
    });
    test('are no other thread’s before a barrier', async () => {
      const seen = 'seen[lane] = cell[(lane + 1) % 8 * 4];';
      const late = `SHOAL_BARRIER\nSHOAL_PHASE(16)\n${seen}`;
      const after = (text: string) => copied(`shoal_wait<0>(lane);\n${text}`, undefined, 'seen[lane]');
      expect((await after(late)).slice(0, 8)).toEqual([4, 8, 12, 16, 20, 24, 28, 0]);
      const wrong = await after(seen);
      expect(wrong.slice(0, 16).some(Number.isNaN)).toBe(true);
      expect(wrong.slice(128, 144).some(Number.isNaN)).toBe(true);
    });
    test('never come from where four floats are not aligned', async () => {
      expect((await copied('shoal_wait<0>(lane);', 'group * 64 + lane * 4 + (lane == 3)')).slice(76, 80)).toEqual([NaN, NaN, NaN, NaN]);
    });
    test('beyond a tensor are errors', async () => {
      await expect(copied('', 'group * 64 + lane * 4 + 4')).rejects.toThrow(/index 131 of t0 .*which has 128 elements/);
    });
    test('of an expression are computed', async () => {
      const op = copyOp();
      const kernel = cudaKernel(op, {
        fusion: { load: { 0: 'masked' } },
        emit({ inputs: [x], outputs: [y] }) {
          const copy = `${x!.copy('cell + lane * 4', 'lane < 16 ? lane * 4 : -1', 4)} ${x!.copy('cell + 256 + lane', 'lane - 1', 1)}`;
          const get = `for (int e = 0; e < 4; e++) { ${y!.write('e * 64 + lane', 'cell[e * 96 + lane]')} }`;
          return [blocks(1, 64, shared('float', 'cell', 352) + phase(64, copy) + phase(64, get))];
        },
      });
      const result = await runOp(op, kernel, (x) => map([x], (a) => e.mul(a, 2)));
      expect([result[63], ...result.slice(64, 67)]).toEqual([126, 0, 0, 0]);
      // From 288 on: the 32nd of those that are copied one by one.
      expect(result.slice(192, 195)).toEqual([62, 64, 66]);
    });

    const copyOp = (): Op<object> => ({
      name: 'test/copy',
      infer: () => [{ shape: [256], dtype: 'f32' }],
      vjp: { none: 'a test' },
      cost: () => ({}),
    });
    async function runOp(op: Op<object>, kernel: CudaKernel, of: (x: Value) => Value = (x) => x): Promise<readonly number[]> {
      const runtime = await createRuntime(backend, [{ kernel }]);
      const executable = await runtime.compile({ outputs: { y: apply1(op, [of(input('x', [128]))], {}) } });
      return [...(await executable.run({ x: Float32Array.from({ length: 128 }, (_, i) => i) }))['y']!];
    }
  });

  describe('running', () => {
    let runtime: Runtime;
    let oracle: Runtime;
    beforeAll(async () => {
      runtime = await createRuntime(backend);
      oracle = await createRuntime(reference());
    });
    afterAll(async () => {
      await runtime.dispose();
      await oracle.dispose();
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
    test('times are positive, and those of steps make the whole', async () => {
      const x = input('x', [64]);
      const executable = await runtime.compile({ outputs: { y: reduce(x, { kind: 'sum' }) } });
      const { nanoseconds, clock, steps } = await executable.timed({ x: new Float32Array(64).fill(1) }, { profile: true });
      expect(clock).toBe(runtime.info.clock);
      expect(steps!.map(({ op }) => op)).toEqual(['core/reduce']);
      expect(steps!.map(({ step }) => step)).toEqual(executable.schedule.steps);
      expect(nanoseconds).toBeGreaterThan(0);
      expect(steps![0]!.nanoseconds).toBe(nanoseconds);
    });
    test('a disposed executable says so', async () => {
      const executable = await runtime.compile({ outputs: { y: map([input('x', [2])], (a) => e.neg(a)) } });
      executable.dispose();
      await expect(executable.run({ x: [1, 2] })).rejects.toMatchObject({ code: 'DISPOSED' });
    });
    test('a tensor that no int counts is refused', async () => {
      const y = reduce(broadcastTo(input('x', [1]), [2 ** 16, 2 ** 16]), { kind: 'sum' });
      await expect(runtime.compile({ outputs: { y } })).rejects.toMatchObject({ code: 'MEMORY' });
    });
    test('powers, extrema and casts at the ends of their ranges', async () => {
      const values = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 2.5, -2.5, 3e9, -3e9];
      const [x, y] = [e.operand(0), e.operand(1)];
      const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
      const feeds = { x: pairs.map(([a]) => a), y: pairs.map(([, b]) => b) };
      const [p, q] = [input('x', [pairs.length]), input('y', [pairs.length])];
      const expressions = [e.pow(x, y), e.max(x, y), e.min(x, y), e.cast(e.add(x, y), 'i32'), e.cast(e.add(x, y), 'u32'), e.round(x)];
      const outputs = Object.fromEntries(expressions.map((each, i) => [`y${i}`, mapExpression(each, [p, q])]));
      const [actual, expected] = await Promise.all([runtime, oracle].map(async (each) => (await each.compile({ outputs })).run(feeds)));
      for (const name of Object.keys(outputs)) {
        const wrong = pairs.flatMap((pair, i) => {
          const [a, b] = [actual![name]![i]!, outputs[name]!.dtype === 'f32' ? Math.fround(expected![name]![i]!) : expected![name]![i]!];
          const same = a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= 1e-6 * Math.abs(b);
          return same ? [] : [{ name, pair, a, b }];
        });
        expect(wrong).toEqual([]);
      }
    });
  });
}
