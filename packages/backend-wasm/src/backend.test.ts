import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import {
  apply1,
  constant,
  createRuntime,
  expression as e,
  fill,
  input,
  map,
  randomUniform,
  reduce,
  transpose,
  variable,
  type ErrorCode,
  type Op,
  type Runtime,
  type Value,
  type Variable,
} from '@shoal/core';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Allocator } from './allocator.ts';
import { wasm, type WasmOptions } from './backend.ts';

const open: Runtime[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.dispose()));
});

async function runtimeWith(options: WasmOptions): Promise<Runtime> {
  const runtime = await createRuntime(wasm(options));
  open.push(runtime);
  return runtime;
}

/** An error with this code, whose message holds the texts in this order. */
const failure = (code: ErrorCode, ...texts: readonly string[]): object =>
  expect.objectContaining({
    name: 'ShoalError',
    code,
    message: expect.stringMatching(texts.map((text) => text.replace(/[[\]().]/g, '\\$&')).join('.*')),
  });

const plus = (a: Value, b: Value | number): Value =>
  typeof b === 'number' ? map([a], (x) => e.add(x, b)) : map([a, b], (x, y) => e.add(x, y));
const times = (a: Value, b: Value): Value => map([a, b], (x, y) => e.mul(x, y));

/** A program that takes a while and cannot be fused, and then overwrites `w`. */
function slowUpdate(w: Variable): Value {
  let x = plus(fill(1, [700, 701]), w);
  for (let i = 0; i < 900; i++) x = transpose(x, [1, 0]);
  return plus(w, reduce(x, { kind: 'max' }));
}

const kinds: readonly (readonly [string, WasmOptions])[] = [
  ['one thread', { threads: 1 }],
  ['two threads', { threads: 2 }],
];

describe.each(kinds)('a runtime with %s', (_, options) => {
  test('says what it is', async () => {
    const { backend, info } = await runtimeWith(options);
    expect(backend).toBe('wasm');
    expect(info.threads).toBe(options.threads);
    expect(info.clock).toBe(options.threads === 1 ? 'performance.now' : 'wall clock of the workers');
    expect(info.flags['shared']).toBe(options.threads !== 1);
    expect(info.notes).toEqual([]);
  });

  test('feeds, fetches what is asked for, and times', async () => {
    const runtime = await runtimeWith(options);
    const x = input('x', [2, 3]);
    const executable = await runtime.compile({ outputs: { double: plus(x, x), x, sum: reduce(x, { kind: 'sum' }) } });
    const feeds = { x: [1, 2, 3, 4, 5, 6] };
    const { outputs, nanoseconds, steps } = await executable.timed(feeds, { fetch: ['double', 'x'] });
    expect(Object.keys(outputs)).toEqual(['double', 'x']);
    expect([...outputs['double']!]).toEqual([2, 4, 6, 8, 10, 12]);
    expect([...outputs['x']!]).toEqual(feeds.x);
    expect(nanoseconds).toBeGreaterThanOrEqual(0);
    expect(steps).toBeUndefined();
    const profiled = await executable.timed(feeds, { profile: true });
    expect(profiled.steps?.map(({ op }) => op)).toEqual(['core/map', 'core/reduce', 'core/update']);
    expect(profiled.steps?.map(({ step }) => step)).toEqual([...executable.schedule.steps, undefined]);
    expect([...profiled.outputs['sum']!]).toEqual([21]);
  });

  test('all reads see the old values', async () => {
    const runtime = await runtimeWith(options);
    const [a, b, c] = [variable('a', [5], 1), variable('b', [5], 2), variable('c', [5], 3)];
    const executable = await runtime.compile({
      outputs: { a, sum: plus(plus(a, b), c) },
      updates: [
        [a, b],
        [b, a],
        [c, plus(c, a)],
      ],
    });
    // Exchanged variables are copied by way of a third place; c is overwritten where it stands.
    expect(executable.schedule.updates.map(({ direct }) => direct)).toEqual([false, false, true]);
    const first = await executable.run();
    expect([...first['a']!, ...first['sum']!]).toEqual([1, 1, 1, 1, 1, 6, 6, 6, 6, 6]);
    expect([...(await runtime.read(a)), ...(await runtime.read(b)), ...(await runtime.read(c))].join('')).toBe('222221111144444');
    const second = await executable.run();
    expect([...second['a']!, ...second['sum']!]).toEqual([2, 2, 2, 2, 2, 7, 7, 7, 7, 7]);
  });

  test('a direct update is an output as well, and one value updates two variables', async () => {
    const runtime = await runtimeWith(options);
    const [a, b] = [variable('a', [70001], 1), variable('b', [70001], 0)];
    const next = plus(a, 1);
    const executable = await runtime.compile({
      outputs: { next },
      updates: [
        [a, next],
        [b, next],
      ],
    });
    await executable.run();
    const { next: result } = await executable.run();
    for (const data of [result!, await runtime.read(a), await runtime.read(b)]) expect(data.every((x) => x === 3)).toBe(true);
  });

  test('updates from feeds, constants and what the prelude computed', async () => {
    const runtime = await runtimeWith(options);
    const [a, b, c, w] = [variable('a', [3]), variable('b', [3]), variable('c', [3]), variable('w', [3], [1, 2, 3])];
    const x = input('x', [3]);
    const executable = await runtime.compile({
      outputs: {},
      updates: [
        [a, x],
        [b, fill(7, [3])],
        [c, times(w, w)],
      ],
    });
    expect(executable.schedule.prelude).toHaveLength(1);
    for (const round of [1, 2]) {
      await runtime.write(c, [0, 0, 0]);
      await executable.run({ x: [round, 5, 6] });
      expect([...(await runtime.read(a)), ...(await runtime.read(b)), ...(await runtime.read(c))]).toEqual([round, 5, 6, 7, 7, 7, 1, 4, 9]);
    }
  });

  test('the prelude runs again exactly when a variable it reads was written', async () => {
    const runtime = await runtimeWith(options);
    const w = variable('w', [5, 3], 2);
    const x = input('x', [3, 5]);
    const executable = await runtime.compile({ outputs: { y: times(x, transpose(w, [1, 0])) } });
    expect(executable.schedule.prelude.map(({ node }) => node.op.name)).toEqual(['core/transpose']);
    const feeds = { x: Array.from({ length: 15 }, (_, i) => i) };
    expect((await executable.run(feeds))['y']![14]).toBe(28);
    expect((await executable.run(feeds))['y']![14]).toBe(28);
    await runtime.write(
      w,
      Array.from({ length: 15 }, (_, i) => i),
    );
    expect((await executable.run(feeds))['y']![14]).toBe(196);
    expect((await executable.run(feeds))['y']![1]).toBe(3);
  });

  test('programs share variables, and a disposed program is gone', async () => {
    const runtime = await runtimeWith(options);
    const w = variable('w', [4], 1);
    const grow = await runtime.compile({ outputs: {}, updates: [[w, plus(w, w)]] });
    const show = await runtime.compile({ outputs: { w } });
    await grow.run();
    await grow.run();
    expect([...(await show.run())['w']!]).toEqual([4, 4, 4, 4]);
    grow.dispose();
    grow.dispose();
    await expect(grow.run()).rejects.toEqual(failure('DISPOSED', 'the program was disposed'));
    expect([...(await show.run())['w']!]).toEqual([4, 4, 4, 4]);
  });

  test('memory of disposed programs is used again', async () => {
    const runtime = await runtimeWith({ ...options, memoryLimit: 4 * 2 ** 20 });
    for (let i = 0; i < 8; i++) {
      const x = input('x', [300_000]);
      const executable = await runtime.compile({ outputs: { y: plus(x, i) } });
      expect((await executable.run({ x: new Float32Array(300_000) }))['y']![299_999]).toBe(i);
      executable.dispose();
    }
  });

  test('an aborted run leaves every variable as it was', async () => {
    const runtime = await runtimeWith(options);
    const w = variable('w', [1], 5);
    const executable = await runtime.compile({ outputs: {}, updates: [[w, slowUpdate(w)]] });
    expect(executable.schedule.updates[0]!.direct).toBe(true);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    await expect(executable.run({}, { signal: controller.signal })).rejects.toEqual(failure('ABORTED', 'aborted by its signal'));
    expect([...(await runtime.read(w))]).toEqual([5]);
    await expect(executable.run({}, { signal: AbortSignal.abort() })).rejects.toEqual(failure('ABORTED'));
    await executable.run({}, { signal: new AbortController().signal });
    expect([...(await runtime.read(w))]).toEqual([11]);
  });

  test('a random program draws the same in every runtime, and anew with every step', async () => {
    const step = variable('step', [], 0, 'u32');
    const program = {
      outputs: { y: randomUniform(step, { seed: 1, stream: 2, shape: [1000] }) },
      updates: [[step, map([step], (s) => e.add(s, 1))] as const],
    };
    const [one, other] = [await runtimeWith(options), await runtimeWith({ threads: 3 })];
    const [a, b] = [await one.compile(program), await other.compile(program)];
    const [first, second] = [await a.run(), await a.run()];
    expect(await b.run()).toEqual(first);
    expect(first).not.toEqual(second);
    expect(first['y']!.every((x) => x >= 0 && x < 1)).toBe(true);
  });

  test('calls after dispose are errors', async () => {
    const runtime = await createRuntime(wasm(options));
    const x = input('x', [1]);
    const executable = await runtime.compile({ outputs: { x } });
    await runtime.dispose();
    await runtime.dispose();
    await expect(executable.run({ x: [1] })).rejects.toEqual(failure('DISPOSED'));
    await expect(runtime.compile({ outputs: { x } })).rejects.toEqual(failure('DISPOSED'));
    executable.dispose();
  });
});

describe('errors', () => {
  test('wrong options', () => {
    expect(() => wasm({ thread: 2 } as WasmOptions)).toThrow(failure('ATTRIBUTE', 'thread', 'threads, precision, memoryLimit'));
    expect(() => wasm({ threads: 0 })).toThrow(failure('ATTRIBUTE', 'threads is 0'));
    expect(() => wasm({ threads: 1.5 })).toThrow(failure('ATTRIBUTE', 'threads is 1.5'));
    expect(() => wasm({ memoryLimit: 2 ** 33 })).toThrow(failure('ATTRIBUTE', 'memoryLimit'));
    expect(() => wasm({ precision: 'double' as 'strict' })).toThrow(failure('ATTRIBUTE', "'double'"));
  });

  test('an op without a kernel', async () => {
    const lonely: Op<object> = { name: 'test/lonely', infer: ([x]) => [x!], vjp: { none: 'a test' }, cost: () => ({}) };
    const runtime = await runtimeWith({ threads: 1 });
    await expect(runtime.compile({ outputs: { y: apply1(lonely, [input('x', [2])], {}) } })).rejects.toEqual(
      failure('KERNEL', 'test/lonely', 'no kernel'),
    );
  });

  test('more memory than there is, with the numbers', async () => {
    const runtime = await runtimeWith({ threads: 1, memoryLimit: 2 ** 20 });
    const x = input('x', [300_000]);
    await expect(runtime.compile({ outputs: { y: plus(x, 1), z: plus(x, 2) } })).rejects.toEqual(
      failure('MEMORY', '2.3 MiB', 'the limit of 1.0 MiB', 'smaller batch'),
    );
    await expect(runtime.write(variable('w', [300_000]), new Float32Array(300_000))).rejects.toEqual(
      failure('MEMORY', "variable 'w'", '1.1 MiB'),
    );
    const small = await runtime.compile({ outputs: { y: plus(input('x', [2]), 1) } });
    expect([...(await small.run({ x: [1, 2] }))['y']!]).toEqual([2, 3]);
  });

  test('more than 4 GiB', async () => {
    const runtime = await runtimeWith({ threads: 1 });
    const huge = (n: number): Value => reduce(transpose(fill(n, [20_000, 20_000]), [1, 0]), { kind: 'sum', axes: [0] });
    const wide = input('wide', [24_000, 20_000]);
    await expect(runtime.compile({ outputs: { y: transpose(wide, [1, 0]), z: transpose(plus(wide, 1), [1, 0]) } })).rejects.toEqual(
      failure('MEMORY', '5493.2 MiB', '4 GiB'),
    );
    await expect(runtime.compile({ outputs: { y: fill(0, [2 ** 30]) } })).rejects.toEqual(
      failure('MEMORY', '[1073741824]', '4294967296 bytes'),
    );
    expect((await runtime.compile({ outputs: { y: huge(1) } })).memory.arenaBytes).toBeGreaterThan(3e9);
  });
});

test('what a program says it holds is what it gets, and gives back', async () => {
  const runtime = await runtimeWith({ threads: 2 });
  const x = input('x', [30, 50]);
  const [allocated, freed] = [vi.spyOn(Allocator.prototype, 'allocate'), vi.spyOn(Allocator.prototype, 'free')];
  const executable = await runtime.compile({
    outputs: {
      y: reduce(transpose(plus(transpose(x, [1, 0]), 1), [1, 0]), { kind: 'max', axes: [0] }),
      scaled: times(
        times(
          x,
          constant(
            Array.from({ length: 50 }, (_, i) => i),
            [50],
          ),
        ),
        reduce(variable('w', [9, 50]), { kind: 'sum', axes: [0] }),
      ),
    },
  });
  const at = allocated.mock.calls.findIndex(([, what]) => what === 'the arena of a program');
  expect(allocated.mock.calls[at]![0]).toBe(executable.memory.arenaBytes);
  expect(executable.memory.arenaBytes).toBeGreaterThanOrEqual(2 * 30 * 50 * 4);
  const address = allocated.mock.results[at]!.value as number;
  const allocator = allocated.mock.contexts[at] as Allocator;
  const before = allocator.used;
  executable.dispose();
  expect(freed.mock.calls.flat()).toContain(address);
  const { derived, constants, code } = executable.resident!;
  expect(before - allocator.used).toBe(executable.memory.arenaBytes + derived + constants);
  expect([derived >= 200, constants, code > 500]).toEqual([true, 256, true]);
  vi.restoreAllMocks();
});

describe('precision', () => {
  test('strict rounds products and sums separately', async () => {
    const x = input('x', [4]);
    const program = { outputs: { y: map([x], (a) => e.exp(a)) } };
    const strict = await runtimeWith({ threads: 1, precision: 'strict' });
    expect(strict.info.flags).toMatchObject({ strict: true, fma: false, fused: false, winograd: false });
    const { y } = await (await strict.compile(program)).run({ x: [0, 1, -1, 2] });
    expect([...y!].map((v) => v.toFixed(5))).toEqual(['1.00000', '2.71828', '0.36788', '7.38906']);
  });
});

test('a runtime that loses a worker in a run goes on with its variables', async () => {
  const workers: Worker[] = [];
  const note = (worker: Worker): void => void workers.push(worker);
  process.on('worker', note);
  onTestFinished(() => void process.off('worker', note));
  const runtime = await runtimeWith({ threads: 2 });
  const w = variable('w', [], 3);
  const program = await runtime.compile({ outputs: {}, updates: [[w, slowUpdate(w)]] });
  const running = program.run();
  setTimeout(() => void workers[1]!.terminate(), 5);
  await expect(running).rejects.toEqual(failure('DEVICE', 'a worker failed', 'Run again'));
  await program.run();
  // Each update turns w into 2w + 1; the run that was lost had not come to its own.
  expect([...(await runtime.read(w))]).toEqual([7]);
});

test('a script that disposes of everything comes to its end: the process waits for the workers', async () => {
  const script = `
    import { createRuntime, input, map } from '@shoal/core';
    import { wasm } from './src/index.ts';
    const runtime = await createRuntime(wasm({ threads: 2 }));
    const executable = await runtime.compile({ outputs: { y: map([input('x', [3])], (a) => a) } });
    executable.dispose();
    await runtime.dispose();
    console.log('the end');`;
  const args = ['--conditions=@shoal/source', '--input-type=module-typescript', '--eval', script];
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 20_000 });
  expect(stdout).toBe('the end\n');
});
