import { cuda, type CudaOptions } from '@shoal/backend-cuda';
import { backendOnStub, collectKernels, emulatedBackend, emulatedLibrary, missingCompiler } from '@shoal/backend-cuda/testing';
import { conv2d, type Conv2dOptions } from '@shoal/conv';
import {
  createRuntime,
  gradients,
  input,
  sizeOf,
  stopGradient,
  transpose,
  variable,
  type Program,
  type Runtime,
  type Shape,
} from '@shoal/core';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compareConvolutions } from '../../../tools/cuda/src/cudnn.ts';
import { makeOracle } from '../conformance/oracle.ts';
import { cudaPlugins } from '../cuda.ts';
import { spread, trainingStep } from '../training-step.ts';
import { compileStub, compileStubCudnn, type StubCudnn, type StubDriver } from './stub.ts';

interface Layer {
  readonly name: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly options?: Conv2dOptions;
  readonly biased?: boolean;
}

/** What cuDNN can say. */
const expressible: readonly Layer[] = [
  { name: 'plain', x: [2, 5, 7, 3], w: [3, 2, 3, 5] },
  { name: 'padded', x: [2, 6, 5, 2], w: [3, 5, 2, 4], options: { padding: { top: 1, bottom: 1, left: 2, right: 2 } }, biased: true },
  {
    name: 'strided and dilated',
    x: [1, 9, 11, 3],
    w: [2, 3, 3, 2],
    options: { stride: { height: 2, width: 3 }, dilation: { height: 3, width: 2 }, padding: 2 },
  },
  { name: 'in groups', x: [2, 4, 5, 6], w: [3, 3, 2, 9], options: { groups: 3, padding: 1 } },
  {
    name: 'padded unlike, with the last windows where padding alike has them',
    x: [1, 6, 8, 2],
    w: [3, 3, 2, 3],
    options: { stride: 2, padding: { top: 1, bottom: 0, left: 1, right: 0 } },
  },
];
/** What keeps kernels: padding that starts later than it ends, and no elements. */
const others: readonly Layer[] = [
  { name: 'padded unlike', x: [1, 6, 8, 2], w: [3, 3, 2, 3], options: { stride: 2, padding: 'same' } },
  { name: 'no image', x: [0, 6, 8, 2], w: [3, 3, 2, 3] },
];

/** Forward and both backward passes of layers, one program. */
function passes(layers: readonly Layer[]): { readonly program: Program; readonly feeds: Record<string, Float32Array> } {
  const outputs: Record<string, Program['outputs'][string]> = {};
  const feeds: Record<string, Float32Array> = {};
  const fed = (name: string, shape: Shape) => {
    feeds[name] = spread(sizeOf(shape), 1 + Object.keys(feeds).length / 16);
    return input(name, shape);
  };
  for (const { name, x: xShape, w: wShape, options, biased } of layers) {
    const [x, w] = [fed(`${name}: x`, xShape), fed(`${name}: w`, wShape)];
    const y = conv2d(x, w, { ...options, ...(biased ? { bias: fed(`${name}: bias`, wShape.slice(3)) } : {}) });
    const dy = fed(`${name}: dy`, y.shape);
    const [dx, dw] = gradients(y, [x, w], { seed: stopGradient(dy) });
    Object.assign(outputs, { [`${name}: y`]: y, [`${name}: dx`]: dx, [`${name}: dw`]: dw });
  }
  return { program: { outputs }, feeds };
}

const missing = missingCompiler();

describe.skipIf(missing !== undefined)(`cuDNN${missing === undefined ? '' : ` skipped: ${missing}`}`, () => {
  let stub: StubDriver;
  let cudnn: StubCudnn;
  let oracle: Runtime;
  beforeAll(async () => {
    stub = compileStub();
    cudnn = compileStubCudnn(stub);
    oracle = await makeOracle();
  });
  beforeEach(() => {
    stub.reset();
    cudnn.reset();
  });
  const expectNothingLeft = (): void => expect([stub.misuse(), stub.live().first, cudnn.live().first]).toEqual(['', '', '']);
  const open = (options: CudaOptions = {}): Promise<Runtime> =>
    createRuntime(backendOnStub({ driver: stub.path, convolution: 'cudnn', cudnn: cudnn.path, ...options }), cudaPlugins);

  async function expectReference(runtime: Runtime, { program, feeds }: ReturnType<typeof passes>): Promise<void> {
    const [actual, expected] = await Promise.all([runtime, oracle].map(async (each) => (await each.compile(program)).run(feeds)));
    for (const [name, values] of Object.entries(expected!)) {
      const scale = Math.max(1, ...values.map(Math.abs));
      const apart = Math.max(0, ...Array.from(values, (value, i) => Math.abs(value - actual![name]![i]!)));
      expect([name, actual![name]!.length, apart / scale < 1e-5]).toEqual([name, values.length, true]);
    }
  }

  test('computes all passes of what it can say as they are defined, and kernels the rest', async () => {
    const runtime = await open();
    expect(runtime.info.flags).toMatchObject({ cudnn: '9.1.0', precision: 'float32' });
    await expectReference(runtime, passes(expressible));
    expect(cudnn.convolutions()).toBe(3 * expressible.length);
    // FMA: no factor is rounded.
    expect(cudnn.math()).toBe(3);
    await expectReference(runtime, passes(others));
    expect(cudnn.convolutions()).toBe(3 * expressible.length);
    await runtime.dispose();
    expectNothingLeft();
  });

  test('other code of the thread may have made another context current', async () => {
    const runtime = await open();
    stub.leave();
    await expectReference(runtime, passes(expressible.slice(0, 1)));
    expect(cudnn.convolutions()).toBe(3);
    await runtime.dispose();
    expectNothingLeft();
  });

  test('what the check for GPU machines compares is the same in both, and the same twice', async () => {
    const [x, w] = [input('x', [2, 6, 7, 3]), input('w', [3, 3, 3, 5])];
    const pass = { name: 'small', y: conv2d(x, w, { padding: 1, stride: 2 }), inputs: [x, w], flops: 1 };
    const emulated = await emulatedBackend();
    if (typeof emulated === 'string') throw new Error(emulated);
    const runtimes = { kernels: await createRuntime(emulated, cudaPlugins), cudnn: await open() };
    const [found] = await compareConvolutions([pass], runtimes, 2);
    expect(found).toMatchObject({ name: 'small', repeats: true });
    expect(found!.apart).toBeLessThan(1e-5);
    expect([found!.kernelsNs, found!.cudnnNs].map(({ length }) => length)).toEqual([2, 2]);
    await runtimes.cudnn.dispose();
    await runtimes.kernels.dispose();
    expectNothingLeft();
  });

  test('with precision tf32 it may round factors', async () => {
    const runtime = await open({ precision: 'tf32' });
    await expectReference(runtime, passes(expressible.slice(0, 1)));
    expect([cudnn.convolutions(), cudnn.math()]).toEqual([3, 0]);
    await runtime.dispose();
    expectNothingLeft();
  });

  test.each([
    ['what it refuses', 1],
    ['what it does not compute with the same bits on every run', 2],
  ] as const)('kernels compute %s', async (_, refusal) => {
    cudnn.set(90_100, 12_040, refusal);
    const runtime = await open();
    const { program, feeds } = passes(expressible);
    await expectReference(runtime, { program, feeds });
    const refused = await (await runtime.compile(program)).run(feeds);
    expect(cudnn.convolutions()).toBe(0);
    await runtime.dispose();
    const plain = await open({ convolution: 'kernels' });
    expect(await (await plain.compile(program)).run(feeds)).toEqual(refused);
    await plain.dispose();
    expectNothingLeft();
  });

  /** Three steps of a small network, one timed in detail; then variables are read. */
  async function train(runtime: Runtime): Promise<readonly number[]> {
    const { program, variables } = trainingStep();
    const executable = await runtime.compile(program);
    const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) losses.push((await executable.timed(feeds, { profile: step === 1 })).outputs['loss']![0]!);
    const values = await Promise.all(variables.map((each) => runtime.read(each)));
    executable.dispose();
    return [...losses, ...values.flatMap((each) => [...each])];
  }

  test.each(['compiled', 'shipped'] as const)(
    'a training step beside %s kernels is one graph, and its descriptors end with it',
    async (kernels) => {
      if (kernels === 'shipped') {
        const weights = input('w', [3, 3, 2, 10]);
        const turned = { outputs: { there: transpose(weights, [3, 0, 1, 2]), back: transpose(weights, [1, 2, 3, 0]) } };
        const compile = async (runtime: Runtime) => [await runtime.compile(trainingStep().program), await runtime.compile(turned)];
        stub.ptx(await emulatedLibrary(await collectKernels(cudaPlugins, compile, { generic: true })));
      }
      const runtime =
        kernels === 'compiled'
          ? await open()
          : await createRuntime(cuda({ driver: stub.path, kernels, cudnn: cudnn.path, convolution: 'cudnn' }), cudaPlugins);
      const idle = cudnn.live();
      const [actual, expected] = [await train(runtime), await train(oracle)];
      expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThan(2e-5 * Math.max(1, Math.abs(value))));
      // Forward and to the weight: nobody wants the gradient to the image.
      expect(cudnn.convolutions()).toBe(6);
      expect(cudnn.live()).toEqual(idle);
      const executable = await runtime.compile(trainingStep().program);
      const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
      await executable.run(feeds);
      const [graphs, computed] = [stub.graphLaunches(), cudnn.convolutions()];
      await executable.run(feeds, { fetch: [] });
      expect(stub.graphLaunches() - graphs).toBeLessThanOrEqual(2);
      expect(cudnn.convolutions() - computed).toBe(2);
      await runtime.dispose();
    },
  );

  test('inference turns weights once', async () => {
    const runtime = await open();
    const x = input('x', [1, 5, 5, 2]);
    const executable = await runtime.compile({ outputs: { y: conv2d(x, variable('w', [3, 3, 2, 4], spread(72))) } });
    await executable.run({ x: spread(50) });
    const launches = stub.launches();
    await executable.run({ x: spread(50) });
    expect([stub.launches() - launches, cudnn.convolutions()]).toEqual([0, 2]);
    await runtime.dispose();
    expectNothingLeft();
  });

  test('whichever call fails, the error is typed and nothing stays alive', async () => {
    const failures = new Set<string>();
    const { program, feeds } = passes(expressible.slice(0, 1));
    for (let at = 1; ; at++) {
      stub.reset();
      stub.fail(at, 5001);
      let runtime: Runtime | undefined;
      let error: unknown;
      let whileRunning = '';
      try {
        runtime = await open();
        const executable = await runtime.compile(program);
        await executable.run(feeds);
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
      const freeing = /Destroy|Free|Unload|Release/.test(failed);
      if (whileRunning !== '' && !freeing) expect(error).toMatchObject({ code: expect.stringMatching(/^(DEVICE|UNSUPPORTED)$/) });
      if (failed.startsWith('cudnn') && !freeing)
        expect(error).toMatchObject({
          message: expect.stringContaining(`${failed} failed: CUDNN_STATUS_OF_THE_STUB (cuDNN 9.1.0, status 5001)`),
        });
      const where = `${failed} failed at call ${at}`;
      expect([where, stub.live().first, cudnn.live().first, stub.misuse()]).toEqual([where, '', '', '']);
    }
    expect([...failures].filter((name) => name.startsWith('cudnn')).toSorted()).toEqual(
      [
        'cudnnCreate',
        'cudnnSetStream',
        'cudnnDestroy',
        ...['Tensor', 'Filter', 'Convolution'].flatMap((kind) => [`cudnnCreate${kind}Descriptor`, `cudnnDestroy${kind}Descriptor`]),
        'cudnnSetTensor4dDescriptor',
        'cudnnSetFilter4dDescriptor',
        'cudnnSetConvolution2dDescriptor',
        'cudnnSetConvolutionGroupCount',
        'cudnnSetConvolutionMathType',
        ...['Forward', 'BackwardData', 'BackwardFilter'].flatMap((pass) => [
          `cudnnConvolution${pass}`,
          `cudnnGetConvolution${pass}Algorithm_v7`,
          `cudnnGetConvolution${pass}WorkspaceSize`,
        ]),
      ].toSorted(),
    );
  });

  test('memory that it lacks is an error of memory, and leaves the runtime usable', async () => {
    const runtime = await open();
    const { program, feeds } = passes(expressible.slice(0, 1));
    const before = [stub.live(), cudnn.live()];
    // The first call makes the context current.
    stub.fail(2, 4004);
    await expect(runtime.compile(program)).rejects.toMatchObject({
      code: 'MEMORY',
      message: expect.stringContaining('DEVICE_ALLOCATION_FAILED'),
    });
    expect([stub.live(), cudnn.live()]).toEqual(before);
    stub.fail(0, 0);
    await expectReference(runtime, { program, feeds });
    await runtime.dispose();
    expectNothingLeft();
  });

  test('what is not there, or not for this driver, is a reason', async () => {
    const reason = (message: string) => ({ code: 'UNSUPPORTED', message: expect.stringContaining(message) });
    await expect(open({ cudnn: '/nowhere/libcudnn.so.9' })).rejects.toMatchObject(
      reason('cuDNN was not found at /nowhere/libcudnn.so.9. Install cuDNN 9 for CUDA 12: pip install nvidia-cudnn-cu12'),
    );
    cudnn.set(8907, 12_010, 0);
    await expect(open()).rejects.toMatchObject(reason('cuDNN 8.9.7 is not cuDNN 9'));
    cudnn.set(91_300, 13_000, 0);
    await expect(open()).rejects.toMatchObject(reason('cuDNN 9.13.0 is for CUDA 13, and the driver for CUDA 12'));
    const unknown = open({ convolution: 'miopen' as 'cudnn' });
    await expect(unknown).rejects.toMatchObject({ code: 'ATTRIBUTE', message: expect.stringContaining("unknown convolution 'miopen'") });
    expectNothingLeft();
  });
});
