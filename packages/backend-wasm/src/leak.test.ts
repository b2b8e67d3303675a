import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createRuntime,
  expression as e,
  gradients,
  input,
  map,
  reduce,
  variable,
  type Backend,
  type Program,
  type Value,
} from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { Allocator } from './allocator.ts';
import { wasm } from './backend.ts';
import { WasmDevice } from './device.ts';
import { createInline, createPool, CONTROL_BYTES } from './threads/index.ts';
import type { WasmKernel } from './kernel.ts';

const steps = 10_000;
/** What the engine itself may keep after so many runs: compiled code, lists that grow by doubling. */
const heapSlack = 2 * 2 ** 20;

const times = (a: Value, b: Value): Value => map([a, b], (x, y) => e.mul(x, y));
const less = (a: Value, b: Value): Value => map([a, b], (x, y) => e.sub(x, y));

/** Fits a line to points, by gradient descent with momentum. */
function lineFit(): { readonly program: Program; readonly compileAnew: () => Program } {
  const [slope, shift] = [variable('slope', []), variable('shift', [])];
  const velocities = [variable('slope/velocity', []), variable('shift/velocity', [])];
  const make = (): Program => {
    const [x, y] = [input('x', [64]), input('y', [64])];
    const error = less(
      map([x, slope, shift], (a, w, b) => e.add(e.mul(a, w), b)),
      y,
    );
    const loss = map([reduce(times(error, error), { kind: 'sum' })], (total) => e.div(total, 64));
    const updates = gradients(loss, [slope, shift]).flatMap((found, i) => {
      const next = map([velocities[i]!, found], (v, g) => e.add(e.mul(0.9, v), g));
      return [
        [velocities[i]!, next] as const,
        [[slope, shift][i]!, map([[slope, shift][i]!, next], (p, v) => e.sub(p, e.mul(0.01, v)))] as const,
      ];
    });
    return { outputs: { loss }, updates };
  };
  return { program: make(), compileAnew: make };
}

/** The backend over a memory that the test can look into. */
async function watched(threads: number): Promise<{ readonly backend: Backend<WasmKernel>; readonly allocator: Allocator }> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1024, shared: threads > 1 });
  const executor = threads > 1 ? await createPool({ threads, memory }) : createInline({ memory });
  const allocator = new Allocator(memory, 1024 * 65536, CONTROL_BYTES);
  const engine = { fma: false, strict: true, wide: false, tileRows: 4 };
  const info = { backend: 'wasm', device: 'watched', threads, clock: 'none', flags: {}, notes: [] };
  const device = new WasmDevice({ info, allocator, executor, engine, relaxed: false, shared: threads > 1 });
  return { backend: { ...wasm(), open: () => Promise.resolve(device) }, allocator };
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

describe.each([1, 2])('%i threads', (threads) => {
  test(`${steps} training steps keep nothing`, { timeout: 60_000 }, async () => {
    const { backend, allocator } = await watched(threads);
    const runtime = await createRuntime(backend);
    const executable = await runtime.compile(lineFit().program);
    const x = Float32Array.from({ length: 64 }, (_, i) => i / 32 - 1);
    const feeds = { x, y: x.map((value) => 3 * value - 0.5) };
    let loss = Infinity;
    const run = async (count: number): Promise<void> => {
      for (let step = 0; step < count; step++) loss = (await executable.run(feeds))['loss']![0]!;
    };
    await run(steps / 10);
    const before = { used: allocator.used, memory: allocator.memory.buffer.byteLength, heap: heapBytes() };
    await run(steps - steps / 10);
    expect({ used: allocator.used, memory: allocator.memory.buffer.byteLength }).toEqual({ used: before.used, memory: before.memory });
    expect(heapBytes() - before.heap).toBeLessThan(heapSlack);
    expect(loss).toBeLessThan(1e-9);
    await runtime.dispose();
  });
});

test('programs that come and go leave nothing behind', async () => {
  const { backend, allocator } = await watched(1);
  const runtime = await createRuntime(backend);
  const { compileAnew } = lineFit();
  const feeds = { x: new Float32Array(64), y: new Float32Array(64) };
  const use = async (): Promise<void> => {
    const executable = await runtime.compile(compileAnew());
    await executable.run(feeds);
    executable.dispose();
  };
  await use();
  const before = { used: allocator.used, memory: allocator.memory.buffer.byteLength };
  for (let i = 0; i < 100; i++) await use();
  expect({ used: allocator.used, memory: allocator.memory.buffer.byteLength }).toEqual(before);
  await runtime.dispose();
});
