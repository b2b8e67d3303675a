import {
  apply1,
  cast,
  constant,
  expression as e,
  fill,
  input,
  map,
  mapOp,
  pad,
  randomUniform,
  reduce,
  reshape,
  ShoalError,
  transpose,
  variable,
  type Op,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { createRuntime, tfjs, tfjsKernel, type Tensorflow } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';

const x = input('x', [2, 3]);
const total = reduce(x, { kind: 'sum' });

describe.each(['cpu', 'wasm'] as const)('tfjs on %s', (engine) => {
  let tf: Tensorflow;
  beforeAll(async () => {
    tf = await importEngine(engine);
  });
  beforeEach(() => tf.setBackend(engine));

  test('says what it runs on', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const { backend, device, clock, threads, notes, flags } = runtime.info;
    expect({ backend, device, clock, threads, notes }).toEqual({
      backend: 'tfjs',
      device: `TensorFlow.js 4.22.0, ${engine}`,
      clock: 'performance.now',
      threads: 1,
      notes: [],
    });
    // Where these are false the adapter puts the op together from others: see tests/src/tfjs-defects.test.ts.
    expect(flags).toEqual({
      engine,
      extremaKeepNaN: engine === 'cpu',
      reductionsKeepNaN: true,
      sumsInDouble: engine === 'cpu',
      logReachesEnds: true,
      powReachesEnds: engine === 'cpu',
    });
    await runtime.dispose();
  });

  test('leaves no tensor behind: not after a run, not after a failed one, not after dispose', async () => {
    const before = tf.memory().numTensors;
    const runtime = await createRuntime(tfjs(tf));
    const [w, step] = [variable('w', [3], [1, 2, 3]), variable('step', [], 5, 'u32')];
    const noise = randomUniform(step, { stream: 0, seed: 1, shape: [2, 3] });
    const product = map([x, map([w], (a) => e.exp(a)), noise], (a, b, c) => e.max(e.mul(a, b), c));
    const rows = reduce(pad(product, { before: [1, 0], after: [0, 2] }), { kind: 'max', axes: [1] });
    const executable = await runtime.compile({
      outputs: { rows, same: reshape(x, [3, 2]), one: constant([1, 2], [2]), w },
      updates: [
        [w, reduce(product, { kind: 'sum', axes: [0] })],
        [step, map([step], (s) => e.add(s, 1))],
      ],
    });
    await executable.run({ x: [1, 2, 3, 4, 5, 6] });
    const held = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) await executable.timed({ x: [1, 2, 3, 4, 5, 6] }, { profile: true });
    expect(tf.memory().numTensors).toBe(held);

    const controller = new AbortController();
    const running = executable.run({ x: [1, 2, 3, 4, 5, 6] }, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(tf.memory().numTensors).toBe(held);

    executable.dispose();
    await runtime.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('aborts between steps, and leaves the variables as they were', async () => {
    const controller = new AbortController();
    const slow: Op<object> = { name: 'test/slow', infer: ([a]) => [a!], vjp: { none: 'not asked for' }, cost: () => ({}) };
    const abort = tfjsKernel(slow, ({ inputs }) => {
      controller.abort();
      return inputs;
    });
    const runtime = await createRuntime(tfjs(tf), [{ abort }]);
    const w = variable('w', [], 7);
    const program = { outputs: {}, updates: [[w, map([total, apply1(slow, [w], {})], (a, b) => e.add(a, b))]] as const };
    const executable = await runtime.compile(program);
    await expect(executable.run({ x: [1, 2, 3, 4, 5, 6] }, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await runtime.read(w)).toEqual(Float32Array.of(7));
    await runtime.dispose();
  });

  test('all reads see the old value of a variable, and updates apply together', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const [a, b] = [variable('a', [1], 1), variable('b', [1], 10)];
    const swap = await runtime.compile({
      outputs: { sum: map([a, b], (p, q) => e.add(p, q)) },
      updates: [
        [a, b],
        [b, a],
      ],
    });
    expect(await swap.run()).toEqual({ sum: Float32Array.of(11) });
    expect([await runtime.read(a), await runtime.read(b)]).toEqual([Float32Array.of(10), Float32Array.of(1)]);
    expect(await swap.run()).toEqual({ sum: Float32Array.of(11) });
    await runtime.dispose();
  });

  test('what depends on variables alone follows a write', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const w = variable('w', [3], [1, 2, 3]);
    const scaled = reduce(
      map([w], (a) => e.mul(a, 10)),
      { kind: 'sum' },
    );
    const executable = await runtime.compile({ outputs: { y: map([x, scaled], (a, s) => e.add(a, s)) } });
    const first = async (): Promise<number> => (await executable.run({ x: [0, 0, 0, 0, 0, 0] })).y![0]!;
    expect([executable.schedule.prelude.length, await first()]).toEqual([2, 60]);
    await runtime.write(w, [0, 0, 1]);
    expect(await first()).toBe(10);
    await runtime.dispose();
  });

  test('neither feeds nor results share memory with tensors', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const w = variable('w', [2, 3], 0);
    const executable = await runtime.compile({ outputs: { same: x, w }, updates: [[w, x]] });
    const fed = Float32Array.of(1, 2, 3, 4, 5, 6);
    const { same } = await executable.run({ x: fed });
    fed.fill(0);
    same!.fill(0);
    const read = await runtime.read(w);
    expect(read).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    read.fill(0);
    expect(await runtime.read(w)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    await runtime.dispose();
  });

  test('integers are exact, signed and unsigned, whatever the engine', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const [i, u] = [input('i', [3], 'i32'), input('u', [3], 'u32')];
    const executable = await runtime.compile({
      outputs: {
        product: map([i, i], (a, b) => e.mul(a, b)),
        shifted: map([u], (a) => e.bitXor(e.shiftRight(a, 1), 1)),
        larger: cast(
          map([u], (a) => e.select(e.gt(a, 0x80000000), 1, 0)),
          'i32',
        ),
        equal: map([i, x], (a, b) => e.select(e.eq(a, 16777217), b, -1), [2, 3]),
        saturated: map([x], (a) => e.cast(e.mul(a, 1e9), 'i32')),
        echoed: u,
      },
    });
    const fed = { i: [65537, 16777217, -123456789], u: [0xffffffff, 0x80000000, 1], x: [1, 2, 3, -1, -2, -3] };
    expect(await executable.run(fed)).toEqual({
      product: Int32Array.of(131073, Math.imul(16777217, 16777217), Math.imul(123456789, 123456789)),
      shifted: Uint32Array.of(0x7ffffffe, 0x40000001, 1),
      larger: Int32Array.of(1, 0, 0),
      equal: Float32Array.of(-1, 2, -1, -1, -2, -1),
      saturated: Int32Array.of(1e9, 2e9, 0x7fffffff, -1e9, -2e9, -0x80000000),
      echoed: Uint32Array.of(0xffffffff, 0x80000000, 1),
    });
    await runtime.dispose();
  });

  test('sums of many terms keep their digits', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const n = 100_003;
    const terms = map([input('t', [n, 2])], (t) => t);
    const executable = await runtime.compile({
      outputs: { all: reduce(terms, { kind: 'sum' }), columns: reduce(terms, { kind: 'sum', axes: [0] }) },
    });
    const { all, columns } = await executable.run({ t: new Float32Array(2 * n).fill(0.1) });
    const exact = n * Math.fround(0.1);
    expect([...all!, ...columns!].map((sum, i) => Math.abs(sum / exact - (i === 0 ? 2 : 1)) < 1e-7)).toEqual([true, true, true]);
    await runtime.dispose();
  });

  test('powers are JavaScript powers at the ends', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const [a, b] = [input('a', [8]), input('b', [8])];
    const executable = await runtime.compile({ outputs: { y: map([a, b], (p, q) => e.pow(p, q)) } });
    const fed = { a: [1, -1, 0, 0, NaN, 2, -8, 4], b: [NaN, Infinity, -1.5, 0, 0, NaN, 3, -0.5] };
    expect((await executable.run(fed)).y).toEqual(Float32Array.from(fed.a, (base, i) => base ** fed.b[i]!));
    await runtime.dispose();
  });

  test('a tensor of too many axes is refused with the reason, before anything runs', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const program = { outputs: { y: transpose(input('deep', [2, 1, 3, 1, 2, 1, 2]), [6, 5, 4, 3, 2, 1, 0]) } };
    expect(runtime.missing(program)).toEqual([{ op: 'core/transpose', reason: 'a tensor of rank 7: engines of TensorFlow.js go up to 6' }]);
    await expect(runtime.compile(program)).rejects.toMatchObject({ code: 'KERNEL' });
    await runtime.dispose();
  });

  test('elementwise work and reductions take any number of axes', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const deep = [input('a', [2, 1, 2, 1, 2, 1, 2]), input('b', [2, 1, 1, 2, 2, 1, 2])] as const;
    const executable = await runtime.compile({
      outputs: {
        y: reduce(
          map(deep, (a, b) => e.sub(a, b)),
          { kind: 'sum', axes: [0, 2, 6] },
        ),
      },
    });
    const fed = Array.from({ length: 16 }, (_, i) => i);
    const oracle = await createRuntime(reference());
    const expected = await (await oracle.compile({ outputs: { y: executable.schedule.outputs[0]![1] } })).run({ a: fed, b: fed });
    expect([...(await executable.run({ a: fed, b: fed })).y!]).toEqual([...expected.y!]);
    await runtime.dispose();
  });

  test('what an engine throws is a device error that names the op', async () => {
    const plane = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
    const fail = tfjsKernel(mapOp, () => [tf.conv2d(plane, plane, 2, 'valid', 'NHWC', 2)]);
    const runtime = await createRuntime(tfjs(tf), [{ fail }]);
    const executable = await runtime.compile({ outputs: { y: map([x], (a) => e.exp(a)) } });
    const held = tf.memory().numTensors;
    await expect(executable.run({ x: [1, 2, 3, 4, 5, 6] })).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(/^core\/map: TensorFlow\.js failed: .*input depth/),
    });
    expect(tf.memory().numTensors).toBe(held);
    await runtime.dispose();
  });

  test('a disposed runtime and a disposed program say so', async () => {
    const runtime = await createRuntime(tfjs(tf));
    const [kept, dropped] = [await runtime.compile({ outputs: { total } }), await runtime.compile({ outputs: { total } })];
    dropped.dispose();
    await expect(dropped.run({ x: [1, 2, 3, 4, 5, 6] })).rejects.toMatchObject({ code: 'DISPOSED' });
    expect((await kept.run({ x: [1, 2, 3, 4, 5, 6] })).total).toEqual(Float32Array.of(21));
    await runtime.dispose();
    await expect(kept.run({ x: [1, 2, 3, 4, 5, 6] })).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

describe('choosing an engine', () => {
  test('a runtime stays on the engine it was opened on', async () => {
    const tf = await importEngine('cpu');
    const runtime = await createRuntime(tfjs(tf));
    const executable = await runtime.compile({ outputs: { ones: fill(1, [2]), total } });
    await importEngine('wasm');
    await expect(executable.run({ x: [1, 2, 3, 4, 5, 6] })).rejects.toThrow(
      "run: TensorFlow.js was switched from the engine cpu to wasm. Call tf.setBackend('cpu'), or create a runtime for wasm.",
    );
    await tf.setBackend('cpu');
    expect((await executable.run({ x: [1, 2, 3, 4, 5, 6] })).total).toEqual(Float32Array.of(21));
    await runtime.dispose();
  });

  test('without an engine the error says which package brings one', async () => {
    const tf = await importEngine('cpu');
    const none = { ...tf, ready: () => Promise.reject(new Error('none')), getBackend: () => undefined as never };
    const opening = createRuntime(tfjs(none));
    await expect(opening).rejects.toBeInstanceOf(ShoalError);
    await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('@tensorflow/tfjs-backend-wasm') });
  });

  test('an engine that Shoal has not been tested on is taken, and noted', async () => {
    const tf = await importEngine('cpu');
    const runtime = await createRuntime(tfjs({ ...tf, getBackend: () => 'tensorflow' }));
    expect(runtime.info.notes).toEqual([
      'Shoal has not been tested on the TensorFlow.js engine tensorflow: run its conformance cases first',
    ]);
    await runtime.dispose();
  });
});
