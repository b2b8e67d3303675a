import { createRuntime, wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { apply1, fill, gradients, input, variable, type Op, type Program, type Runtime, type Value, type Variable } from '@shoal/core';
import { reference, referenceKernel } from '@shoal/core/reference';
import { add, mean, relu, sgd } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { refused, untyped } from './rejects.ts';

// What a user may get wrong with a runtime: refused with a typed error, and no variable changes.

const backends: readonly (readonly [string, () => Promise<Runtime>])[] = [
  ['reference', () => createRuntime(reference(), [convReference, mathReference, poolReference])],
  ['wasm, 1 thread', () => createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm])],
  ['wasm, 2 threads', () => createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm])],
];

/** A convolution, a pooling and an optimizer step on images of the given size, repeated so that a run takes its time. */
function training(side: number, layers: number): { readonly program: Program; readonly state: readonly Variable[] } {
  const weights = Array.from({ length: layers }, (_, i) =>
    variable(`w${i}`, [3, 3, 8, 8], () => Array.from({ length: 576 }, (_, j) => Math.sin(i + j) / 9)),
  );
  let x = input('x', [2, side, side, 8]);
  for (const weight of weights) x = relu(conv2d(x, weight, { padding: 'same' }));
  const loss = mean(maxPool2d(x, { window: 2 }));
  const { updates, state } = sgd({ parameters: weights, gradients: gradients(loss, weights), learningRate: 0.1, momentum: 0.9 });
  return { program: { outputs: { loss }, updates }, state: [...weights, ...state] };
}

const images = (side: number): Float32Array => Float32Array.from({ length: 2 * side * side * 8 }, (_, i) => Math.cos(i));
const aborted = ['ABORTED', 'run: the run was aborted by its signal. Variables are as they were: run again when ready.'];
const read = (runtime: Runtime, variables: readonly Variable[]) => Promise.all(variables.map((each) => runtime.read(each)));

describe.each(backends)('%s', (name, open) => {
  const backend = name.split(',')[0];

  test.each([
    ['missing', {}, "run: input 'x' was not fed. Feed 256 f32 numbers under that name."],
    ['too short', { x: images(2) }, "run: input 'x' got 64 numbers, its shape [2,4,4,8] has 256. Feed every element."],
    ['too long', { x: images(5) }, "run: input 'x' got 400 numbers, its shape [2,4,4,8] has 256. Feed every element."],
    ['unknown', { x: images(4), z: [1] }, "run: there is no input 'z'. Inputs: x."],
  ])('a feed that is %s', async (_, feeds, message) => {
    const runtime = await open();
    onTestFinished(() => runtime.dispose());
    const { program, state } = training(4, 1);
    const step = await runtime.compile(program);
    const before = await read(runtime, state);
    expect(await refused(step.run(feeds))).toEqual(['FEED', message]);
    expect(await read(runtime, state)).toEqual(before);
  });

  test('an unknown output, and data of another size for a variable', async () => {
    const runtime = await open();
    onTestFinished(() => runtime.dispose());
    const { program, state } = training(4, 1);
    const step = await runtime.compile(program);
    const before = await read(runtime, state);
    expect(await refused(step.run({ x: images(4) }, { fetch: ['accuracy'] }))).toEqual([
      'FEED',
      "run: there is no output 'accuracy'. Outputs: loss.",
    ]);
    expect(await refused(runtime.write(state[0]!, [1, 2]))).toEqual([
      'FEED',
      'write w0: got 2 elements for shape [3,3,8,8], which has 576. Write every element.',
    ]);
    expect(await read(runtime, state)).toEqual(before);
  });

  test('a program that is malformed', async () => {
    const runtime = await open();
    onTestFinished(() => runtime.dispose());
    const v = variable('v', [2]);
    const compile = (program: Program) => refused(runtime.compile(program));
    const sum = add(input('x', [2]), input('x', [2]));
    expect(await compile({ outputs: { sum } })).toEqual(['GRAPH', "program: two inputs are named 'x'. Give each input its own name."]);
    expect(
      await compile({
        outputs: {},
        updates: [
          [v, fill(1, [2])],
          [v, fill(2, [2])],
        ],
      }),
    ).toEqual(['GRAPH', "program: variable 'v' is updated twice. Combine the updates."]);
    expect(await compile({ outputs: {}, updates: [[v, fill(1, [3])]] })).toEqual([
      'SHAPE',
      "program: update of 'v' is f32 [3], the variable f32 [2]. Update it with a value of its own type.",
    ]);
  });

  test('a backend without the op: every one that is missing, before the device is touched', async () => {
    const bare = await (backend === 'wasm' ? createRuntime(wasm({ threads: 1 })) : createRuntime(reference()));
    onTestFinished(() => bare.dispose());
    const y = maxPool2d(conv2d(input('x', [1, 4, 5, 2]), fill(1, [3, 3, 2, 3])), { window: 2 });
    expect(bare.missing({ outputs: { y } }).map(({ op }) => op)).toEqual(['conv/conv2d', 'pool/max']);
    expect(await refused(bare.compile({ outputs: { y } }))).toEqual([
      'KERNEL',
      `conv/conv2d, pool/max: cannot run on backend ${backend}: conv/conv2d (no kernel was given); pool/max (no kernel was given). Pass the plugins' ./${backend} entries to createRuntime.`,
    ]);
  });

  test('a disposed runtime', async () => {
    const runtime = await open();
    const { program, state } = training(4, 1);
    const step = await runtime.compile(program);
    await runtime.dispose();
    await runtime.dispose();
    const complaint = (op: string) => ['DISPOSED', `${op}: the ${backend} runtime was disposed. Create a new one.`];
    expect(await refused(step.run({ x: images(4) }))).toEqual(complaint('run'));
    expect(await refused(step.timed({ x: images(4) }))).toEqual(complaint('run'));
    expect(await refused(runtime.compile(program))).toEqual(complaint('compile'));
    expect(await refused(runtime.read(state[0]!))).toEqual(complaint('read'));
    expect(await refused(runtime.write(state[0]!, new Float32Array(576)))).toEqual(complaint('write'));
  });

  test('a run aborted before it begins changes no variable', async () => {
    const runtime = await open();
    onTestFinished(() => runtime.dispose());
    const { program, state } = training(4, 1);
    const step = await runtime.compile(program);
    const before = await read(runtime, state);
    expect(await refused(step.run({ x: images(4) }, { signal: AbortSignal.abort() }))).toEqual(aborted);
    expect(await read(runtime, state)).toEqual(before);
    await step.run({ x: images(4) });
    expect(await read(runtime, state)).not.toEqual(before);
  });
});

// The reference computes on the caller's thread, where no signal can fire meanwhile: its own test is below.
describe.each(backends.slice(1))('%s', (_, open) => {
  test('a run aborted in the middle changes no variable', async () => {
    const runtime = await open();
    onTestFinished(() => runtime.dispose());
    const { program, state } = training(160, 24);
    const step = await runtime.compile(program);
    const feeds = { x: images(160) };
    const before = await read(runtime, state);
    const started = performance.now();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    expect(await refused(step.run(feeds, { signal: controller.signal }))).toEqual(aborted);
    const stopped = performance.now() - started;
    expect(await read(runtime, state)).toEqual(before);
    const whole = await step.timed(feeds, { signal: new AbortController().signal });
    expect(stopped).toBeLessThan(whole.nanoseconds / 1e6);
    expect(await read(runtime, state)).not.toEqual(before);
  });
});

describe('nothing runs', () => {
  const countOp: Op<object> = { name: 'test/count', infer: ([x]) => [x!], vjp: { none: 'a test' }, cost: () => ({}) };
  const program = (v: Variable): Program => ({ outputs: {}, updates: [[v, add(apply1(countOp, [input('x', [2])], {}), 1)]] });

  test('after a wrong feed', async () => {
    let runs = 0;
    const count = referenceKernel(countOp, () => (runs += 1));
    const runtime = await createRuntime(reference(), [{ count }]);
    const step = await runtime.compile(program(variable('v', [2])));
    for (const feeds of [{}, { x: [1] }, { x: [1, 2], y: [1] }]) await refused(step.run(feeds));
    expect(runs).toBe(0);
    await step.run({ x: [1, 2] });
    expect(runs).toBe(1);
  });

  test('after an abort in the middle, and no variable changes', async () => {
    const controller = new AbortController();
    const count = referenceKernel(countOp, () => controller.abort());
    const runtime = await createRuntime(reference(), [{ count }]);
    const v = variable('v', [2], 7);
    const step = await runtime.compile(program(v));
    expect(step.schedule.steps).toHaveLength(2);
    expect((await refused(step.run({ x: [1, 2] }, { signal: controller.signal })))[0]).toBe('ABORTED');
    expect([...(await runtime.read(v))]).toEqual([7, 7]);
  });
});

describe('kernels and options of another kind', () => {
  test('kernels of another backend', async () => {
    expect(await refused(createRuntime(wasm({ threads: 1 }), [{ maxPool: untyped(poolReference.maxPool) }]))).toEqual([
      'KERNEL',
      "pool/max: a kernel for reference was given to wasm. Pass the plugin's ./wasm entry.",
    ]);
  });

  test('wrong options of the backend', async () => {
    const open = async (options: object) => createRuntime(wasm(options));
    expect(await refused(open({ threads: 0 }))).toEqual(['ATTRIBUTE', 'backend-wasm: threads is 0. Give an integer of at least 1.']);
    expect(await refused(open({ thread: 2 }))).toEqual([
      'ATTRIBUTE',
      'backend-wasm: unknown option thread. Known options: threads, precision, memoryLimit.',
    ]);
  });
});

describe('memory past 4 GiB, on wasm', () => {
  const open = async (): Promise<Runtime> => {
    const runtime = await createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm]);
    onTestFinished(() => runtime.dispose());
    return runtime;
  };
  /** Convolves images of 1 MiB to as many results as wanted, each of the size of the batch. */
  const convolved = (batch: number, results = 1): Program => {
    const x = input('x', [batch, 128, 128, 16]);
    const weight = (value: number): Value => fill(value, [3, 3, 16, 16]);
    return { outputs: Object.fromEntries(Array.from({ length: results }, (_, i) => [`y${i}`, conv2d(x, weight(i), { padding: 'same' })])) };
  };

  test('a program that needs more', async () => {
    const runtime = await open();
    const [code, message] = await refused(runtime.compile(convolved(1500, 2)));
    expect(code).toBe('MEMORY');
    expect(message).toMatch(
      /^backend-wasm: the arena of a program needs \d{4}\.\d MiB, 0\.0 MiB of the 4 GiB that 32-bit addresses reach are in use\. Use a smaller batch, or dispose of programs you no longer run\.$/,
    );
  });

  test('programs that together need more, until one is disposed of', async () => {
    const runtime = await open();
    const first = await runtime.compile(convolved(1500));
    const [code, message] = await refused(runtime.compile(convolved(1000)));
    expect(code).toBe('MEMORY');
    expect(message).toMatch(/ needs 2\d\d\d\.\d MiB, 3\d\d\d\.\d MiB of the 4 GiB that 32-bit addresses reach are in use\. /);
    first.dispose();
    await runtime.compile(convolved(1000));
  });

  test('a tensor or a variable that is larger than one may be', async () => {
    const runtime = await open();
    const complaint = [
      'MEMORY',
      'backend-wasm: a tensor of shape [1073741824] takes 4294967296 bytes, more than the 2147418112 that one may have. Use a smaller batch.',
    ];
    expect(await refused(runtime.compile({ outputs: { y: relu(input('x', [2 ** 30])) } }))).toEqual(complaint);
    expect(await refused(runtime.read(variable('w', [2 ** 30])))).toEqual(complaint);
    const small = await runtime.compile({ outputs: { y: relu(input('x', [2])) } });
    expect(await small.run({ x: [-1, 1] })).toEqual({ y: Float32Array.of(0, 1) });
  });
});
