import {
  apply1,
  createRuntime,
  expression as e,
  fill,
  input,
  map,
  reduce,
  variable,
  type Backend,
  type Op,
  type Program,
  type Variable,
} from '@shoal/core';
import { describe, expect, test, vi } from 'vitest';
import type { WebgpuDevice } from './device.ts';
import type { DeviceUsage } from './gpu.ts';
import { elements, wgslKernel, type WebgpuKernel } from './kernel.ts';
import { softwareBackend } from './testing.ts';
import { webgpu } from './webgpu.ts';

const opened = await softwareBackend();
if (typeof opened === 'string') test.skip(`tests of the device's queue skipped: ${opened}`);
else queueTests(opened);

interface Watched {
  readonly backend: Backend<WebgpuKernel>;
  readonly counts: Record<'submits' | 'passes' | 'shaders', number>;
  readonly lose: () => void;
  readonly usage: () => DeviceUsage;
  /** From now on buffers and query sets of so many bytes and more are refused for want of memory; `null` takes it back. */
  readonly refuse: (bytes: number | null) => void;
  /** Makes the device say that it has less than it has. */
  readonly limit: (limits: Partial<Record<keyof GPUSupportedLimits, number>>) => void;
}

/** A backend whose one device is known, so that a test can watch it. */
function watched(): Watched {
  const counts = { submits: 0, passes: 0, shaders: 0 };
  let device: GPUDevice;
  let opened: WebgpuDevice;
  const backend = webgpu({ software: true });
  const limit: Watched['limit'] = (limits) => {
    const { limits: own } = device;
    const value = new Proxy(own, { get: (_, name) => (limits as Record<string | symbol, number>)[name] ?? Reflect.get(own, name) });
    Object.defineProperty(device, 'limits', { value });
  };
  let refused: number | null = null;
  /** Errors as the device reports them: to the innermost scope that waits for them. */
  const withoutMemory = (): void => {
    const scopes: { readonly filter: GPUErrorFilter; error: GPUError | null }[] = [];
    const [push, pop] = [device.pushErrorScope.bind(device), device.popErrorScope.bind(device)];
    const [buffer, queries] = [device.createBuffer.bind(device), device.createQuerySet.bind(device)];
    const fail = (bytes: number): void => {
      const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
      if (refused !== null && bytes >= refused) scope!.error = { message: 'no more to be had' };
    };
    device.pushErrorScope = (filter) => (scopes.push({ filter, error: null }), push(filter));
    device.popErrorScope = async () => {
      const { error } = scopes.pop()!;
      const found = await pop();
      return error ?? found;
    };
    device.createBuffer = (descriptor) => (fail(descriptor.size), buffer(descriptor));
    device.createQuerySet = (descriptor) => (fail(8 * descriptor.count), queries(descriptor));
  };
  const open = async () => {
    const requested = vi.spyOn(GPUAdapter.prototype, 'requestDevice');
    try {
      const result = await backend.open();
      device = requested.mock.settledResults[0]!.value as GPUDevice;
      withoutMemory();
      const { queue } = device;
      const submit = queue.submit.bind(queue);
      queue.submit = (...parameters) => (counts.submits++, submit(...parameters));
      const shader = device.createShaderModule.bind(device);
      device.createShaderModule = (...parameters) => (counts.shaders++, shader(...parameters));
      const create = device.createCommandEncoder.bind(device);
      device.createCommandEncoder = (...parameters) => {
        const encoder = create(...parameters);
        const begin = encoder.beginComputePass.bind(encoder);
        encoder.beginComputePass = (...inner) => (counts.passes++, begin(...inner));
        return encoder;
      };
      return (opened = result as WebgpuDevice);
    } finally {
      requested.mockRestore();
    }
  };
  const refuse = (bytes: number | null): void => void (refused = bytes);
  return { backend: { ...backend, open }, counts, lose: () => device.destroy(), usage: () => opened.usage, refuse, limit };
}

function queueTests(backend: Backend<WebgpuKernel>): void {
  const ramp = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.25);

  describe('a queue of steps', () => {
    test('a steady run is one pass and one submit, and equal programs share shaders', async () => {
      const { backend: seen, counts } = watched();
      const own = await createRuntime(seen);
      const [x, w] = [input('x', [4, 6]), variable('w', [6], 2)];
      const build = () => {
        const y = map(
          [
            reduce(
              map([x, w], (a, b) => e.mul(a, b)),
              { kind: 'sum', axes: [0] },
            ),
          ],
          (a) => e.tanh(a),
        );
        return { outputs: { y }, updates: [[w, map([w, y], (a, b) => e.add(a, b))]] as const };
      };
      const first = await own.compile(build());
      await first.run({ x: ramp(24) });
      const shaders = counts.shaders;
      Object.assign(counts, { submits: 0, passes: 0 });
      await first.run({ x: ramp(24) });
      expect(counts).toMatchObject({ submits: 1, passes: 1 });
      await own.compile(build());
      expect(counts.shaders).toBe(shaders);
      await own.dispose();
    });
    /** A thousand numbers that shrink by what is fed. */
    const shrinking = (): { readonly program: Program; readonly weights: Variable } => {
      const [weights, rate] = [variable('weights', [1000], 1), input('rate', [])];
      const loss = reduce(
        map([weights], (w) => e.mul(w, w)),
        { kind: 'sum' },
      );
      return { program: { outputs: { loss }, updates: [[weights, map([weights, rate], (w, r) => e.sub(w, e.mul(r, w)))]] }, weights };
    };
    test('the next step is in the queue while one computes, and the bits are those of one after the other', async () => {
      const { backend: seen, counts } = watched();
      const own = await createRuntime(seen);
      const heavy = await own.compile({
        outputs: {
          y: reduce(
            map([fill(1, [4_000_000])], (a) => e.exp(e.tanh(e.add(a, e.cast(e.coordinate(0), 'f32'))))),
            { kind: 'sum' },
          ),
        },
      });
      await heavy.run();
      const { program, weights } = shrinking();
      const step = await own.compile(program);
      Object.assign(counts, { submits: 0 });
      const first = heavy.run();
      const steps = [0.1, 0.2, 0.3].map((rate) => step.run({ rate: [rate] }));
      const last = own.read(weights);
      await first;
      expect(counts.submits).toBeGreaterThanOrEqual(4);
      const losses = (await Promise.all(steps)).map(({ loss }) => loss![0]);
      const alone = shrinking();
      const other = await own.compile(alone.program);
      for (const [i, rate] of [0.1, 0.2, 0.3].entries()) expect((await other.run({ rate: [rate] }))['loss']![0]).toBe(losses[i]);
      expect(await last).toEqual(await own.read(alone.weights));
      await own.dispose();
    });
    const nothing = { objects: 0, bytes: 0 };
    const chunk = { objects: 1, bytes: 4 * 2 ** 20 };
    test('what a runtime holds is the plan, and 10,000 steps and a disposed program leave it as it was', { timeout: 60_000 }, async () => {
      const { backend: seen, usage } = watched();
      const own = await createRuntime(seen);
      const { program } = shrinking();
      const executable = await own.compile(program);
      const before = usage();
      // There are no constants, but a buffer may not be empty. The sum is one shader, the update another.
      expect(before).toEqual({
        variables: chunk,
        constants: { objects: 1, bytes: 4 },
        arena: { objects: 1, bytes: executable.memory.arenaBytes },
        staging: nothing,
        timestamps: nothing,
        pipelines: 2,
      });
      const run = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 10) await Promise.all(Array.from({ length: 10 }, () => executable.run({ rate: [1e-3] })));
      };
      await run(100);
      const steady = usage();
      // One span: two timestamps of 8 bytes in a query set, and as many where they are resolved. Read back: those and a loss, at most ten at once.
      const timed = own.info.clock === 'timestamp-query';
      expect(steady).toEqual({ ...before, timestamps: timed ? { objects: 2, bytes: 32 } : nothing, staging: steady.staging });
      expect(steady.staging.bytes).toBe(steady.staging.objects * ((timed ? 16 : 0) + 8));
      expect(steady.staging.objects).toBeLessThanOrEqual(10);
      await run(9900);
      expect(usage()).toEqual(steady);
      executable.dispose();
      expect(usage()).toEqual({ ...before, constants: nothing, arena: nothing });
      await own.dispose();
    });
    test.each<[string, number, number]>([
      ['the constants', 4, 0],
      ['the arena', 5, 4],
    ])('a device without memory for %s refuses the program, keeps nothing of it, and takes another', async (_, bytes, held) => {
      const { backend: seen, usage, refuse } = watched();
      const own = await createRuntime(seen);
      const { program, weights } = shrinking();
      await own.write(weights, ramp(1000));
      const before = usage();
      refuse(bytes);
      await expect(own.compile(program)).rejects.toMatchObject({
        code: 'MEMORY',
        message: `compile: the device is out of memory, with ${4 * 2 ** 20 + held} bytes held by this runtime: no more to be had. Use a smaller batch, or dispose of programs that are done.`,
      });
      expect(usage()).toEqual(before);
      refuse(null);
      expect((await (await own.compile(program)).run({ rate: [0] }))['loss']![0]).toBeGreaterThan(0);
      await own.dispose();
    });
    test('a device without memory to read back into refuses the run, which then changes nothing', async () => {
      const { backend: seen, usage, refuse } = watched();
      const own = await createRuntime(seen);
      const { program, weights } = shrinking();
      const step = await own.compile(program);
      const before = usage();
      for (const bytes of [1, 17]) {
        refuse(bytes);
        await expect(step.run({ rate: [0.5] })).rejects.toMatchObject({
          code: 'MEMORY',
          message: expect.stringMatching(/^run: the device/),
        });
        await expect(own.read(weights)).rejects.toMatchObject({
          code: 'MEMORY',
          message: expect.stringMatching(/^read weights: the device/),
        });
      }
      expect([usage().arena, usage().staging]).toEqual([before.arena, nothing]);
      refuse(null);
      expect((await step.run({ rate: [0.5] }))['loss']![0]).toBe(1000);
      await own.dispose();
    });
    test('a variable that finds no memory is refused, and written when there is', async () => {
      const { backend: seen, usage, refuse } = watched();
      const own = await createRuntime(seen);
      const { weights } = shrinking();
      refuse(1);
      await expect(own.write(weights, ramp(1000))).rejects.toMatchObject({ code: 'MEMORY' });
      expect(usage().variables).toEqual(nothing);
      refuse(null);
      await own.write(weights, ramp(1000));
      expect(await own.read(weights)).toEqual(ramp(1000));
      await own.dispose();
    });
    test('an arena that no buffer holds is several of them', async () => {
      const { backend: seen, usage, limit } = watched();
      const own = await createRuntime(seen);
      limit({ maxBufferSize: 9000 });
      // Eight tensors of 4000 bytes that are alive together, and a sum that reads them all.
      const x = input('x', [1000]);
      const parts = Array.from({ length: 8 }, (_, i) => {
        const part = reduce(
          map([x], (a) => e.add(a, i)),
          { kind: 'sum', axes: [] },
        );
        return map([part, x], (a, b) => e.mul(a, b));
      });
      const executable = await own.compile({ outputs: Object.fromEntries(parts.map((part, i) => [`y${i}`, part])) });
      expect(executable.memory.arenaBytes).toBeGreaterThan(3 * 9000);
      expect(usage().arena).toEqual({ objects: Math.ceil(executable.memory.arenaBytes / 8960), bytes: executable.memory.arenaBytes });
      for (let i = 0; i < 8; i++) {
        const { [`y${i}`]: y } = await executable.run({ x: ramp(1000) }, { fetch: [`y${i}`] });
        expect(y![7]).toBeCloseTo((ramp(8)[7]! + i) * ramp(8)[7]!, 5);
      }
      await own.dispose();
    });
    test('shaders of programs that are gone do not pile up', async () => {
      // Dawn's null backend compiles shaders and runs nothing.
      const nothingRuns = webgpu({ dawnFlags: ['backend=null'] });
      const device = (await nothingRuns.open()) as WebgpuDevice;
      const own = await createRuntime({ ...nothingRuns, open: () => Promise.resolve(device) });
      const scaled = (by: number) => own.compile({ outputs: { y: map([input('x', [4])], (a) => e.mul(a, by)) } });
      const kept = await scaled(0.5);
      for (let i = 2; i < 530; i++) (await scaled(i)).dispose();
      expect(device.usage.pipelines).toBe(513);
      kept.dispose();
      expect(device.usage.pipelines).toBe(512);
      await own.dispose();
    });
    test('a program that does not compile leaves nothing behind', async () => {
      const { backend: seen, usage } = watched();
      const broken: Op<object> = { name: 'test/broken', infer: ([x]) => [x!], vjp: { none: 'a test' }, cost: () => ({}) };
      const own = await createRuntime(seen, [
        { broken: wgslKernel(broken, { emit: ({ outputs: [y] }) => [elements(y!.size, y!.write('i', 'nonsense(i)'))] }) },
      ]);
      await expect(own.compile({ outputs: { y: apply1(broken, [input('x', [3])], {}) } })).rejects.toMatchObject({ code: 'DEVICE' });
      expect(usage()).toMatchObject({ constants: nothing, arena: nothing, pipelines: 0 });
      await own.dispose();
    });
    test('after a loss, a new runtime goes on from what the host had read', async () => {
      const { backend: seen, lose } = watched();
      const own = await createRuntime(seen);
      const { program, weights } = shrinking();
      const step = await own.compile(program);
      await step.run({ rate: [0.5] });
      const checkpoint = await own.read(weights);
      const waiting = [step.run({ rate: [0.5] }), step.run({ rate: [0.5] })];
      lose();
      const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'DEVICE' }) as unknown };
      expect(await Promise.allSettled(waiting)).toEqual([refused, refused]);
      await expect(step.run({ rate: [0.5] })).rejects.toMatchObject({ code: 'DEVICE' });
      await own.dispose();
      const next = await createRuntime(backend);
      await next.write(weights, checkpoint);
      const { loss } = await (await next.compile(program)).run({ rate: [0.5] });
      expect(loss![0]).toBe(250);
      await next.dispose();
    });

    test('a lost device is a DEVICE error that says why', async () => {
      const { backend: seen, lose } = watched();
      const own = await createRuntime(seen);
      const executable = await own.compile({ outputs: { y: map([input('x', [2])], (a) => e.exp(a)) } });
      lose();
      await new Promise((resolve) => setTimeout(resolve, 20));
      await expect(executable.run({ x: [1, 2] })).rejects.toMatchObject({
        code: 'DEVICE',
        message: expect.stringContaining('the device was lost'),
      });
      await own.dispose();
    });
  });
}
