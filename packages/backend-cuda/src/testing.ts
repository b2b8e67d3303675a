import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createRuntime, type Backend, type KernelSet, type Runtime } from '@shoal/core';
import { backendOn } from './backend.ts';
import { CollectingMachine } from './emulated/collector.ts';
import { EmulatedCompiler, missingCompiler } from './emulated/compiler.ts';
import { EmulatedMachine } from './emulated/machine.ts';
import type { KernelCompiler } from './driver/compiler.ts';
import { openDriverMachine, type CudaOptions } from './driver/open.ts';
import type { CudaKernel, Precision } from './kernel.ts';
import type { KernelSource } from './source.ts';

export { cudaFlags, printCuda, printEmulated, type KernelSource } from './source.ts';
export type { Precision } from './kernel.ts';
export { tensorTiles, type TensorTile } from './gemm/tensor.ts';
export { ShippedKernels } from './driver/shipped.ts';
export { missingCompiler } from './emulated/compiler.ts';

export interface KernelOptions {
  /** Default `float32`. */
  readonly precision?: Precision;
  /** Kernels that are the same for all shapes. Default false: those printed for each. */
  readonly generic?: boolean;
}

/**
 * The kernels of every program that `work` compiles on the runtime it is given. That runtime runs nothing: each run rejects with
 * `UNSUPPORTED`.
 */
export async function collectKernels(
  plugins: readonly KernelSet<CudaKernel>[],
  work: (runtime: Runtime) => Promise<unknown>,
  { precision = 'float32', generic = false }: KernelOptions = {},
): Promise<readonly KernelSource[]> {
  const machine = new CollectingMachine(precision, generic);
  const runtime = await createRuntime(
    backendOn(() => Promise.resolve(machine)),
    plugins,
  );
  await work(runtime);
  return [...machine.kernels.values()];
}

const cacheFolder = (): string => join(tmpdir(), `shoal-cuda-emulation-${userInfo().username}`);

export interface EmulationOptions extends KernelOptions {
  /** Compile kernels with optimization: for whole networks. Default false: small cases are done sooner without. */
  readonly optimize?: boolean;
}

/**
 * The backend with every kernel compiled as C++ and run on the CPU: the same text, the same programs, no GPU. A text says why there is none.
 *
 * A block's threads take turns between barriers, in orders that differ from block to block; indices are checked against their tensors; memory that
 * nobody wrote is NaN.
 *
 * @param kernels what will be needed, compiled here and now in batches; others are compiled when a program asks for them
 */
export async function emulatedBackend(
  kernels: readonly KernelSource[] = [],
  { optimize = false, precision = 'float32', generic = false }: EmulationOptions = {},
): Promise<Backend<CudaKernel> | string> {
  const missing = missingCompiler();
  if (missing !== undefined) return missing;
  const compiler = new EmulatedCompiler(cacheFolder(), optimize);
  await compiler.build(kernels);
  return backendOn(() => Promise.resolve(new EmulatedMachine(compiler, precision, generic)));
}

/** The path of a library of emulated kernels. */
export const emulatedLibrary = (kernels: readonly KernelSource[]): Promise<string> =>
  new EmulatedCompiler(cacheFolder(), false).library(kernels);

/** Compiles for a stand-in of the driver: the image is the path of a library of kernels for the CPU. */
const emulatedImages = (): KernelCompiler => {
  const compiler = new EmulatedCompiler(cacheFolder(), false);
  return {
    name: 'g++',
    generic: false,
    compile: async (kernels) => new TextEncoder().encode(`${await compiler.library(kernels)}\0`),
  };
};

/**
 * The backend as it is, on a stand-in for the driver's library whose `cuModuleLoadData` takes the path of a library with the
 * emulated kernels, and calls them.
 */
export function backendOnStub(options: CudaOptions): Backend<CudaKernel> {
  return backendOn(async () => openDriverMachine(options, emulatedImages));
}
