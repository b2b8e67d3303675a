import {
  apply1,
  createRuntime,
  expression as e,
  input,
  map,
  reduce,
  sizeOf,
  variable,
  type Op,
  type Runtime,
  type Value,
} from '@shoal/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wasm } from './backend.ts';
import { wasmKernel, type WasmKernel, type WasmSite } from './kernel.ts';
import { forLanes } from './lanes.ts';

/** Twice its input, row by row: the least op with everything that fusion asks of a kernel. */
const double: Op<object> = {
  name: 'test/double',
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  vjp: { none: 'a test' },
  cost: () => ({}),
};

let emitted: WasmSite[] = [];
const doubleWasm = wasmKernel(
  double,
  (site) => {
    emitted.push(site);
    const { shape } = site.inputs[0]!;
    const channels = shape.at(-1)!;
    site.stage({ tiles: sizeOf(shape) / channels }, ({ f, tile, load, store }) => {
      const row = f.let(f.i32.mul(tile, channels * 4));
      forLanes(f, channels, (channel, lanes) => {
        const place = { at: f.let(f.i32.add(row, channel)), channel };
        const x = f.let(load(0, place));
        store(f.f32x4.add(x, x), place, lanes);
      });
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

/** A kernel that is wrong in some way. */
const wrong = (emit: WasmKernel['emit']): WasmKernel => ({ ...doubleWasm, emit });

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime(wasm({ threads: 2 }), [{ doubleWasm }]);
});
afterAll(() => runtime.dispose());

const twice = (x: Value): Value => apply1(double, [x], {});
const ramp = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => i - 7);

test.each([1, 3, 4, 5, 8, 11])('expressions before and after a kernel, with %i channels', async (channels) => {
  emitted = [];
  const shape = [5, 3, channels];
  const [x, full, perChannel, scalar] = [input('x', shape), input('full', shape), input('perChannel', [channels]), input('scalar', [])];
  const before = map([x, perChannel, full], (a, b, c) => e.sub(e.mul(a, b), c));
  const after = map([perChannel, twice(before), scalar, full], (b, y, s, c) => e.add(e.add(e.max(y, 0), e.mul(s, b)), c));
  const executable = await runtime.compile({ outputs: { after } });
  expect(executable.schedule.steps).toHaveLength(1);
  expect(emitted.map(({ fused, hasEpilogue }) => [fused, hasEpilogue])).toEqual([[[true], true]]);
  const size = sizeOf(shape);
  const feeds = { x: ramp(size), full: ramp(size).toReversed(), perChannel: ramp(channels), scalar: [0.5] };
  const { after: actual } = await executable.run(feeds);
  const expected = feeds.x.map((a, i) => {
    const [b, c] = [feeds.perChannel[i % channels]!, feeds.full[i]!];
    return Math.max(2 * (a * b - c), 0) + 0.5 * b + c;
  });
  expect([...actual!]).toEqual([...expected]);
  executable.dispose();
});

test('steps of one kind share their code', async () => {
  emitted = [];
  const [x, y] = [input('x', [2, 5]), input('y', [2, 5])];
  const other = input('other', [3, 5]);
  const outputs = { a: twice(x), b: twice(y), c: twice(twice(x)), d: twice(other) };
  const executable = await runtime.compile({ outputs });
  expect(executable.schedule.steps).toHaveLength(4);
  expect(emitted).toHaveLength(2);
  const result = await executable.run({ x: ramp(10), y: ramp(10).toReversed(), other: ramp(15) });
  expect([...result['c']!]).toEqual([...ramp(10)].map((v) => 4 * v));
  expect([...result['b']!]).toEqual(Array.from(ramp(10).toReversed(), (v) => 2 * v));
});

test('scratch lives as long as its step, and may be one per thread', async () => {
  const viaScratch = wrong(({ inputs, scratch, stage }) => {
    const bytes = sizeOf(inputs[0]!.shape) * 4;
    const whole = scratch(bytes);
    const own = scratch(16, { perThread: true });
    stage({ tiles: bytes / 4 }, (s) => {
      const at = s.f.let(s.f.i32.mul(s.tile, 4));
      // The thread's own place is written and read within one tile; the shared one is read in the next stage.
      s.f.i32.store(s.scratch(own), s.f.i32.load(s.f.i32.add(s.input(0), at)));
      s.f.f32.store(s.f.i32.add(s.scratch(whole), at), s.f.f32.mul(s.f.f32.load(s.scratch(own)), 2));
    });
    stage({ tiles: bytes / 4 }, (s) => {
      const from = s.f.let(s.f.i32.sub(bytes / 4 - 1, s.tile));
      const address = s.f.i32.add(s.scratch(whole), s.f.i32.mul(from, 4));
      s.f.f32.store(s.f.i32.add(s.output(0), s.f.i32.mul(s.tile, 4)), s.f.f32.load(address));
    });
  });
  const other = await createRuntime(wasm({ threads: 3 }), [{ viaScratch: { ...viaScratch, fusion: {} } }]);
  const executable = await other.compile({ outputs: { y: twice(input('x', [500])) } });
  expect(executable.memory.arenaBytes).toBeGreaterThanOrEqual(3 * 2000 + 3 * 64);
  const { y } = await executable.run({ x: ramp(500) });
  expect([...y!]).toEqual(Array.from(ramp(500).toReversed(), (v) => 2 * v));
  await other.dispose();
});

test.each<[string, WasmKernel['emit'], string]>([
  [
    'an input that is an expression',
    ({ stage }) => stage({ tiles: 1 }, ({ input: address }) => void address(0)),
    'uses input0, which is a fused expression or none',
  ],
  [
    'an output that is not there',
    ({ stage }) => stage({ tiles: 1 }, ({ output }) => void output(1)),
    'uses output1, which nobody wants or none',
  ],
  [
    'scratch after the first stage',
    ({ stage, scratch }) => {
      stage({ tiles: 0 }, () => undefined);
      scratch(4);
    },
    'asks for scratch after its first stage',
  ],
])('a kernel that uses %s is told so', async (_, emit, message) => {
  const other = await createRuntime(wasm({ threads: 1 }), [{ wrong: wrong(emit) }]);
  const y = twice(map([input('x', [2])], (a) => e.add(a, 1)));
  await expect(other.compile({ outputs: { y } })).rejects.toMatchObject({
    code: 'KERNEL',
    message: `test/double#0: its kernel ${message}.`,
  });
  await other.dispose();
});

test('a trap is an error, and the runtime goes on', async () => {
  const trapping = wrong(({ stage }) => stage({ tiles: 4 }, ({ f, tile }) => f.if(f.i32.eq(tile, 3), () => f.unreachable())));
  for (const threads of [1, 2]) {
    const other = await createRuntime(wasm({ threads }), [{ trapping }]);
    const w = variable('w', [2], 1);
    const executable = await other.compile({ outputs: { y: reduce(twice(w), { kind: 'sum' }), z: twice(input('x', [2])) } });
    await expect(executable.run({ x: [1, 2] })).rejects.toMatchObject({ code: 'DEVICE', message: expect.stringContaining('unreachable') });
    expect([...(await other.read(w))]).toEqual([1, 1]);
    await other.dispose();
  }
});
