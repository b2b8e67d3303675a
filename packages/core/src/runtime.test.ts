import { describe, expect, test } from 'vitest';
import * as e from './expression/index.ts';
import { apply1, input, variable, type Op, type Value } from './graph.ts';
import { map, reduce } from './ops/index.ts';
import { reference, referenceKernel } from './reference/index.ts';
import { ShoalError } from './errors.ts';
import { unsupported } from './kernel.ts';
import type { RunOptions } from './executable.ts';
import { createRuntime, firstRuntime } from './runtime.ts';

const x = input('x', [3]);
const double: Op<object> = { name: 'test/double', infer: ([a]) => [a!], vjp: { none: 'nobody asked' }, cost: () => ({}) };
const halve: Op<object> = { ...double, name: 'test/halve' };
const doubled = referenceKernel(double, ({ inputs: [a], outputs: [y] }) => a!.data.forEach((value, i) => (y!.data[i] = 2 * value)));
const increment = (value: Value, by: number): Value => map([value], (a) => e.add(a, by));

describe('programs and variables', () => {
  test('all reads see the old value, updates apply together at the end', async () => {
    const runtime = await createRuntime(reference());
    const [a, b] = [variable('a', [1], 1), variable('b', [1], 10)];
    const swap = await runtime.compile({
      outputs: { sum: map([a, b], (p, q) => e.add(p, q)) },
      updates: [
        [a, b],
        [b, a],
      ],
    });
    expect(await swap.run()).toEqual({ sum: Float64Array.of(11) });
    expect([await runtime.read(a), await runtime.read(b)]).toEqual([Float64Array.of(10), Float64Array.of(1)]);
  });
  test('programs share variables by identity, and what was folded follows a write', async () => {
    const runtime = await createRuntime(reference());
    const w = variable('w', [3], [1, 2, 3]);
    const scaled = map([w], (a) => e.mul(a, 10));
    const infer = await runtime.compile({ outputs: { y: map([x, reduce(scaled, { kind: 'sum' })], (a, s) => e.add(a, s)) } });
    const train = await runtime.compile({ outputs: {}, updates: [[w, increment(w, 1)]] });
    const y = async (): Promise<number[]> => [...(await infer.run({ x: [0, 1, 2] })).y!];
    expect(infer.schedule.prelude.length).toBe(2);
    expect(await y()).toEqual([60, 61, 62]);
    await train.run();
    expect(await y()).toEqual([90, 91, 92]);
    await runtime.write(w, [0, 0, 0]);
    expect(await y()).toEqual([0, 1, 2]);
  });
  test('what a refused run was to compute ahead is computed by the next', async () => {
    const backend = reference();
    let refuse = true;
    const open = async (): ReturnType<typeof backend.open> => {
      const device = await backend.open();
      return Object.assign(Object.create(device) as typeof device, {
        async compile(...parameters: Parameters<typeof device.compile>) {
          const program = await device.compile(...parameters);
          return Object.assign(Object.create(program) as typeof program, {
            run(request: Parameters<typeof program.run>[0]) {
              request.submitted();
              return refuse ? Promise.reject(new Error('refused')) : program.run(request);
            },
            dispose: () => program.dispose(),
          });
        },
        write: device.write.bind(device),
        read: device.read.bind(device),
      });
    };
    const runtime = await createRuntime({ ...backend, open });
    const w = variable('w', [3], [1, 2, 3]);
    const ahead = reduce(
      map([w], (a) => e.mul(a, a)),
      { kind: 'sum' },
    );
    const executable = await runtime.compile({ outputs: { y: map([x, ahead], (a, s) => e.add(a, s)) } });
    const [first, second] = [executable.run({ x: [0, 0, 0] }), executable.run({ x: [0, 1, 2] })];
    first.finally(() => (refuse = false)).catch(() => undefined);
    await expect(first).rejects.toThrow('refused');
    expect(await second).toEqual({ y: Float64Array.of(14, 15, 16) });
  });
  test('fetch chooses outputs; the clock is named', async () => {
    const runtime = await createRuntime(reference());
    const executable = await runtime.compile({ outputs: { y: increment(x, 1), z: increment(x, 2) } });
    const { outputs, nanoseconds, clock, steps } = await executable.timed({ x: [1, 2, 3] }, { fetch: ['z'], profile: true });
    expect(outputs).toEqual({ z: Float64Array.of(3, 4, 5) });
    expect([clock, nanoseconds > 0, steps!.map(({ op }) => op)]).toEqual(['performance.now', true, ['core/map', 'core/map']]);
  });
});

describe('feeding and fetching in place', () => {
  const incremented = async () => (await createRuntime(reference())).compile({ outputs: { y: increment(x, 1), z: increment(x, 2) } });
  test('where the host does not reach the device a view is an ordinary array, the same each time', async () => {
    const executable = await incremented();
    const view = executable.view('x');
    expect(view).toEqual(new Float32Array(3));
    view.set([1, 2, 3]);
    expect(executable.view('x')).toBe(view);
    expect(await executable.run({ x: view }, { fetch: ['y'] })).toEqual({ y: Float64Array.of(2, 3, 4) });
  });
  test('outputs come back in the arrays given for them, and the others in new ones', async () => {
    const executable = await incremented();
    const y = new Float32Array(3);
    const found = await executable.run({ x: [1, 2, 3] }, { into: { y } });
    expect(found['y']).toBe(y);
    expect(found).toEqual({ y: Float32Array.of(2, 3, 4), z: Float64Array.of(3, 4, 5) });
  });
  test('outputs that are one tensor fill each array', async () => {
    const y = increment(x, 1);
    const executable = await (await createRuntime(reference())).compile({ outputs: { y, same: y } });
    const into = { y: new Float32Array(3), same: new Float64Array(3) };
    await executable.run({ x: [1, 2, 3] }, { into });
    expect(into).toEqual({ y: Float32Array.of(2, 3, 4), same: Float64Array.of(2, 3, 4) });
  });
  test.each<[RunOptions, string]>([
    [{ into: { y: new Float32Array(2) } }, "run: output 'y' has 3 numbers, its array 2. Give one of its size."],
    [{ into: { y: new Int32Array(3) } }, "run: output 'y' is f32, its array Int32Array. Give one of its kind."],
    [{ into: { q: new Float32Array(3) } }, "run: output 'q' is not fetched. Fetch it."],
    [{ fetch: ['z'], into: { y: new Float32Array(3) } }, "run: output 'y' is not fetched. Fetch it."],
  ])('%j', async (options, message) => {
    await expect((await incremented()).run({ x: [1, 2, 3] }, options)).rejects.toMatchObject({ code: 'FEED', message });
  });
  test('a view of no input, while a run is under way, and of a disposed program', async () => {
    const executable = await incremented();
    const viewing = (name: string) => () => executable.view(name);
    expect(viewing('q')).toThrow("view: there is no input 'q'. Inputs: x.");
    const run = executable.run({ x: [1, 2, 3] });
    expect(viewing('x')).toThrow('view: a run is under way. Await it first.');
    await run;
    expect(executable.view('x').length).toBe(3);
    await expect(executable.run({})).rejects.toMatchObject({ code: 'FEED' });
    expect(executable.view('x').length).toBe(3);
    executable.dispose();
    expect(viewing('x')).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });
});

describe('the first runtime that can be had', () => {
  const unavailable = (op: string) => () => Promise.reject(new ShoalError('UNSUPPORTED', { op, fact: 'there is none' }));
  const never = (): never => {
    throw new Error('called');
  };
  test('says why those before it were not, and asks no further', async () => {
    const runtime = await firstRuntime([unavailable('one'), () => createRuntime(reference()), never]);
    expect(runtime.backend).toBe('reference');
    expect(runtime.info.notes[0]).toBe('one: there is none.');
    expect(await (await runtime.compile({ outputs: { y: increment(x, 1) } })).run({ x: [1, 2, 3] })).toEqual({
      y: Float64Array.of(2, 3, 4),
    });
  });
  test('none is UNSUPPORTED with every reason; other errors are not passed over', async () => {
    await expect(firstRuntime([unavailable('one'), unavailable('two')])).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/one: there is none.*two: there is none/),
    });
    await expect(firstRuntime([never])).rejects.toThrow('called');
  });
});

describe('bad input', () => {
  const runtimeWithDouble = () => createRuntime(reference(), [{ doubled }]);

  test('every missing kernel is listed before anything runs', async () => {
    const runtime = await createRuntime(reference());
    const program = { outputs: { y: apply1(halve, [apply1(double, [x], {})], {}) } };
    expect(runtime.missing(program)).toEqual([
      { op: 'test/double', reason: 'no kernel was given' },
      { op: 'test/halve', reason: 'no kernel was given' },
    ]);
    await expect(runtime.compile(program)).rejects.toMatchObject({
      code: 'KERNEL',
      message:
        "test/double, test/halve: cannot run on backend reference: test/double (no kernel was given); test/halve (no kernel was given). Pass the plugins' ./reference entries to createRuntime.",
    });
    expect((await runtimeWithDouble()).missing(program).map(({ op }) => op)).toEqual(['test/halve']);
  });
  test('a node that its kernel refuses is not a kernel that is missing', async () => {
    const refusing = { ...doubled, supports: () => unsupported('three are too many') };
    const runtime = await createRuntime(reference(), [{ refusing }]);
    await expect(runtime.compile({ outputs: { y: apply1(double, [x], {}) } })).rejects.toMatchObject({
      code: 'KERNEL',
      message:
        'test/double: cannot run on backend reference: test/double (three are too many). Give test/double what the kernel supports, or use another backend.',
    });
    await expect(runtime.compile({ outputs: { y: apply1(halve, [apply1(double, [x], {})], {}) } })).rejects.toThrow(
      "Pass the plugins' ./reference entries to createRuntime. Give test/double what the kernel supports, or use another backend.",
    );
  });
  test('a kernel of another backend is refused', async () => {
    await expect(createRuntime({ ...reference(), name: 'other', kernels: {} }, [{ doubled }])).rejects.toThrow(
      "test/double: a kernel for reference was given to other. Pass the plugin's ./other entry.",
    );
  });
  test.each<[Record<string, number[]>, string]>([
    [{}, "run: input 'x' was not fed. Feed 3 f32 numbers under that name."],
    [{ x: [1, 2] }, "run: input 'x' got 2 numbers, its shape [3] has 3. Feed every element."],
    [{ x: [1, 2, 3], y: [1] }, "run: there is no input 'y'. Inputs: x."],
  ])('feeds %j', async (feeds, message) => {
    const executable = await (await createRuntime(reference())).compile({ outputs: { y: increment(x, 1) } });
    await expect(executable.run(feeds)).rejects.toMatchObject({ code: 'FEED', message });
  });
  test('an unknown output', async () => {
    const executable = await (await createRuntime(reference())).compile({ outputs: { y: increment(x, 1) } });
    await expect(executable.run({ x: [1, 2, 3] }, { fetch: ['q'] })).rejects.toThrow("run: there is no output 'q'. Outputs: y.");
  });
  test('two inputs of one name, and an update of another shape', async () => {
    const runtime = await createRuntime(reference());
    await expect(runtime.compile({ outputs: { y: map([x, input('x', [3])], (a, b) => e.add(a, b)) } })).rejects.toThrow(
      "program: two inputs are named 'x'. Give each input its own name.",
    );
    await expect(runtime.compile({ outputs: {}, updates: [[variable('w', [2]), x]] })).rejects.toThrow(
      "program: update of 'w' is f32 [3], the variable f32 [2]. Update it with a value of its own type.",
    );
  });
  test('an aborted run changes nothing', async () => {
    const runtime = await createRuntime(reference());
    const w = variable('w', [1], 1);
    const step = await runtime.compile({ outputs: {}, updates: [[w, increment(w, 1)]] });
    await expect(step.run({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await runtime.read(w)).toEqual(Float64Array.of(1));
  });
  test('a disposed runtime says so', async () => {
    const runtime = await createRuntime(reference());
    await runtime.dispose();
    await expect(runtime.compile({ outputs: {} })).rejects.toMatchObject({
      code: 'DISPOSED',
      message: 'compile: the reference runtime was disposed. Create a new one.',
    });
  });
});
