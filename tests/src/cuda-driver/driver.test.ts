import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendOnStub, collectKernels, emulatedLibrary, missingCompiler } from '@shoal/backend-cuda/testing';
import { cuda } from '@shoal/backend-cuda';
import { createRuntime, input, map, expression as e, variable, type Runtime } from '@shoal/core';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeOracle } from '../conformance/oracle.ts';
import { cudaPlugins } from '../cuda.ts';
import { spread, trainingStep } from '../training-step.ts';
import { compileStub, type StubDriver } from './stub.ts';

const [outOfMemory, illegalAddress] = [2, 700];
const missing = missingCompiler();

describe.skipIf(missing !== undefined)(`the driver layer${missing === undefined ? '' : ` skipped: ${missing}`}`, () => {
  let stub: StubDriver;
  beforeAll(() => {
    stub = compileStub();
  });
  beforeEach(() => stub.reset());
  const open = (): Promise<Runtime> => createRuntime(backendOnStub({ driver: stub.path }), cudaPlugins);

  /** Three steps of a small network, one timed in detail; then variables are read. */
  const train = async (runtime: Runtime): Promise<readonly number[]> => {
    const { program, variables } = trainingStep();
    const executable = await runtime.compile(program);
    const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) losses.push((await executable.timed(feeds, { profile: step === 1 })).outputs['loss']![0]!);
    const values = await Promise.all(variables.map((each) => runtime.read(each)));
    executable.dispose();
    return [...losses, ...values.flatMap((each) => [...each])];
  };

  test('a training step through the driver has the numbers of the definition, and frees what it made', async () => {
    stub.set(12_040, 1, 3);
    const runtime = await open();
    expect(runtime.info).toMatchObject({
      backend: 'cuda',
      device: 'Stub',
      clock: 'CUDA events',
      flags: { capability: 9, driver: '12.4', compiler: 'g++', cudnn: false, multiprocessors: 132, memoryGiB: 80 },
    });
    const actual = await train(runtime);
    const expected = await train(await makeOracle());
    expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThan(2e-5 * Math.max(1, Math.abs(value))));
    expect(stub.live().count).toBeGreaterThan(4);
    await runtime.dispose();
    expect(stub.live()).toEqual({ count: 0, first: '' });
    expect(stub.misuse()).toBe('');
  });

  test('with nothing but the driver, the kernels are those that are shipped', async () => {
    const kernels = await collectKernels(cudaPlugins, (runtime) => runtime.compile(trainingStep().program), { generic: true });
    stub.ptx(await emulatedLibrary(kernels));
    const runtime = await createRuntime(cuda({ driver: stub.path, kernels: 'shipped' }), cudaPlugins);
    expect(runtime.info).toMatchObject({ flags: { compiler: 'none: shipped PTX' }, notes: [expect.stringContaining('install NVRTC')] });
    const [actual, expected] = [await train(runtime), await train(await makeOracle())];
    expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThan(2e-5 * Math.max(1, Math.abs(value))));
    await runtime.dispose();
    expect([stub.live().count, stub.misuse()]).toEqual([0, '']);
  });

  test('what is shipped has no TF32, and kernels are of known kinds', async () => {
    const options = { driver: stub.path, kernels: 'shipped', precision: 'tf32' } as const;
    await expect(createRuntime(cuda(options))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('compute in float32'),
    });
    const unknown = createRuntime(cuda({ driver: stub.path, kernels: 'fast' as 'shipped' }));
    await expect(unknown).rejects.toMatchObject({ code: 'ATTRIBUTE', message: expect.stringContaining("unknown kernels 'fast'") });
  });

  test('a steady run is one graph launch', async () => {
    const runtime = await open();
    const { program } = trainingStep();
    const executable = await runtime.compile(program);
    const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
    await executable.run(feeds);
    const [graphs, launches] = [stub.graphLaunches(), stub.launches()];
    await executable.run(feeds, { fetch: [] });
    const updates = stub.graphLaunches() - graphs - 1;
    expect(updates).toBeLessThanOrEqual(1);
    expect(stub.launches() - launches).toBeGreaterThan(20);
    await runtime.dispose();
  });

  test('variables that exchange their values are copied through the arena', async () => {
    const runtime = await open();
    const [a, b] = [variable('a', [2], [1, 2]), variable('b', [2], [3, 4])];
    const swap = await runtime.compile({
      outputs: { a },
      updates: [
        [a, b],
        [b, a],
      ],
    });
    expect([...(await swap.run())['a']!]).toEqual([1, 2]);
    expect([...(await runtime.read(a)), ...(await runtime.read(b))]).toEqual([3, 4, 1, 2]);
    await runtime.dispose();
    expect(stub.misuse()).toBe('');
  });

  test('whichever call fails, the error is typed and nothing stays alive', async () => {
    const failures = new Set<string>();
    for (let at = 1; ; at++) {
      stub.reset();
      stub.set(12_040, 1, 1);
      stub.fail(at, illegalAddress);
      let runtime: Runtime | undefined;
      let error: unknown;
      let whileRunning = '';
      try {
        runtime = await open();
        const x = input('x', [5]);
        const total = variable('total', [5]);
        const y = map([x, total], (p, q) => e.add(p, q));
        const executable = await runtime.compile({ outputs: { y, total }, updates: [[total, y]] });
        await executable.timed({ x: [1, 2, 3, 4, 5] }, { profile: true });
        await runtime.read(total);
        whileRunning = stub.failed();
        executable.dispose();
      } catch (cause) {
        error = cause;
        whileRunning = stub.failed();
      }
      await runtime?.dispose();
      const failed = stub.failed();
      if (failed === '') break;
      failures.add(failed);
      // Who frees cannot do anything about what fails there.
      const freeing = /Destroy|Free|Unload|Release/.test(failed);
      if (whileRunning !== '' && !freeing)
        expect(error).toMatchObject({
          message: expect.stringContaining(`${failed} failed: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)`),
        });
      if (whileRunning !== '' && !freeing) expect(error).toMatchObject({ code: expect.stringMatching(/^(DEVICE|UNSUPPORTED)$/) });
      const where = `${failed} failed at call ${at}`;
      expect([where, stub.live().first, stub.misuse()]).toEqual([where, '', '']);
    }
    expect([...failures]).toEqual(
      expect.arrayContaining([
        'cuInit',
        'cuDevicePrimaryCtxRetain',
        'cuStreamCreate',
        'cuMemAlloc_v2',
        'cuMemcpyHtoDAsync_v2',
        'cuModuleLoadData',
        'cuModuleGetFunction',
        'cuStreamBeginCapture_v2',
        'cuLaunchKernel',
        'cuStreamEndCapture',
        'cuGraphInstantiateWithFlags',
        'cuGraphLaunch',
        'cuEventCreate',
        'cuEventRecord',
        'cuEventQuery',
        'cuMemcpyDtoHAsync_v2',
      ]),
    );
  });

  test('out of memory is said in the words of the driver, and leaves the runtime usable', async () => {
    const runtime = await open();
    const x = input('x', [3]);
    const program = { outputs: { y: map([x], (a) => e.mul(a, 2)) } };
    const before = stub.live();
    stub.fail(4, outOfMemory);
    await expect(runtime.compile(program)).rejects.toMatchObject({
      code: 'MEMORY',
      message: expect.stringContaining('cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY (out of memory)'),
    });
    expect(stub.live()).toEqual(before);
    stub.fail(0, 0);
    const executable = await runtime.compile(program);
    expect([...(await executable.run({ x: [1, 2, 3] }))['y']!]).toEqual([2, 4, 6]);
    await runtime.dispose();
    expect(stub.live().count).toBe(0);
  });

  test('a process that is killed while it computes leaves no file', async () => {
    const kernels = await collectKernels(cudaPlugins, (runtime) => runtime.compile(trainingStep().program), { generic: true });
    const folder = mkdtempSync(join(tmpdir(), 'shoal-killed-'));
    const child = spawn(
      process.execPath,
      ['--conditions=@shoal/source', join(import.meta.dirname, 'endless.ts'), stub.path, await emulatedLibrary(kernels)],
      { cwd: folder, env: { HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: folder }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    expect(said.toString()).toBe('computing\n');
    child.kill('SIGKILL');
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(readdirSync(folder, { recursive: true })).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test('what is too old or not there is a reason', async () => {
    stub.set(11_080, 1, 0);
    await expect(open()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('is for CUDA 11.8, older than 12.0'),
    });
    stub.set(12_040, 0, 0);
    await expect(open()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no CUDA-capable device is detected'),
    });
    stub.set(12_040, 1, 0);
    const second = createRuntime(backendOnStub({ driver: stub.path, device: 1 }));
    await expect(second).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('there is no device 1: the driver has 1'),
    });
    expect(stub.live().count).toBe(0);
    await expect(createRuntime(cuda({ driver: '/nowhere/libcuda.so' }))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no NVIDIA driver here: /nowhere/libcuda.so is not installed'),
    });
  });
});
