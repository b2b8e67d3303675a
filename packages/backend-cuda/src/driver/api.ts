import { ShoalError } from '@shoal/core';
import koffi, { type LibraryHandle } from 'koffi';

/**
 * The parameters of the driver's functions, by the names that its library exports; all return a CUresult. Handles and pointers are
 * `void *`, which takes bigint and typed arrays, addresses on the device `uint64`.
 */
const signatures = {
  cuInit: ['uint32'],
  cuDriverGetVersion: ['void *'],
  cuDeviceGetCount: ['void *'],
  cuDeviceGet: ['void *', 'int'],
  cuDeviceGetName: ['void *', 'int', 'int'],
  cuDeviceGetAttribute: ['void *', 'int', 'int'],
  cuDeviceTotalMem_v2: ['void *', 'int'],
  cuDevicePrimaryCtxRetain: ['void *', 'int'],
  cuDevicePrimaryCtxRelease_v2: ['int'],
  cuCtxSetCurrent: ['void *'],
  cuStreamCreate: ['void *', 'uint32'],
  cuStreamSynchronize: ['void *'],
  cuStreamDestroy_v2: ['void *'],
  cuStreamBeginCapture_v2: ['void *', 'int'],
  cuStreamEndCapture: ['void *', 'void *'],
  cuGraphInstantiateWithFlags: ['void *', 'void *', 'uint64'],
  cuGraphLaunch: ['void *', 'void *'],
  cuGraphDestroy: ['void *'],
  cuGraphExecDestroy: ['void *'],
  cuEventCreate: ['void *', 'uint32'],
  cuEventRecord: ['void *', 'void *'],
  cuEventQuery: ['void *'],
  cuEventElapsedTime: ['void *', 'void *', 'void *'],
  cuEventDestroy_v2: ['void *'],
  cuMemAlloc_v2: ['void *', 'size_t'],
  cuMemFree_v2: ['uint64'],
  cuMemcpyHtoDAsync_v2: ['uint64', 'void *', 'size_t', 'void *'],
  cuMemcpyDtoHAsync_v2: ['void *', 'uint64', 'size_t', 'void *'],
  cuMemcpyDtoDAsync_v2: ['uint64', 'uint64', 'size_t', 'void *'],
  cuModuleLoadData: ['void *', 'void *'],
  cuModuleGetFunction: ['void *', 'void *', 'str'],
  cuModuleUnload: ['void *'],
  cuLaunchKernel: ['void *', 'uint32', 'uint32', 'uint32', 'uint32', 'uint32', 'uint32', 'uint32', 'void *', 'void *', 'void *'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type DriverFunction = keyof typeof signatures;

type Argument = number | bigint | string | NodeJS.TypedArray | null;

/** What the functions answer. */
export const result = { success: 0, outOfMemory: 2, notReady: 600 } as const;

/** After these nothing works in this process any more: the context is broken, and it is the device's one context. */
const lasting: ReadonlySet<number> = new Set([4, 46, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719]);

type Functions = Readonly<Record<DriverFunction, (...parameters: readonly Argument[]) => number>>;
type Describe = (code: number, text: BigUint64Array) => number;

/** The driver's functions. */
export class DriverApi {
  readonly #functions: Functions;
  readonly #errorName: Describe;
  readonly #errorText: Describe;

  /** @throws Error of koffi where the library lacks a function, which drivers before CUDA 12 may */
  constructor(library: LibraryHandle) {
    const entries = Object.entries(signatures).map(([name, parameters]) => [name, library.func(name, 'int', [...parameters])]);
    this.#functions = Object.fromEntries(entries) as Functions;
    this.#errorName = library.func('cuGetErrorName', 'int', ['int', 'void *']) as Describe;
    this.#errorText = library.func('cuGetErrorString', 'int', ['int', 'void *']) as Describe;
  }

  /** Calls a function and returns its result code. */
  attempt(name: DriverFunction, ...parameters: readonly Argument[]): number {
    return this.#functions[name](...parameters);
  }

  /**
   * Calls a function that must succeed.
   *
   * @throws ShoalError `MEMORY` when the device has none left, else `DEVICE`; with the driver's own text
   */
  call(op: string, name: DriverFunction, ...parameters: readonly Argument[]): void {
    const code = this.attempt(name, ...parameters);
    if (code !== result.success) throw this.error(op, name, code);
  }

  /** {@link call} for functions that return a handle or an address through their first parameter. */
  make(op: string, name: DriverFunction, ...parameters: readonly Argument[]): bigint {
    const made = new BigUint64Array(1);
    this.call(op, name, made, ...parameters);
    return made[0]!;
  }

  /** {@link make} for int. */
  number(op: string, name: DriverFunction, ...parameters: readonly Argument[]): number {
    const found = new Int32Array(1);
    this.call(op, name, found, ...parameters);
    return found[0]!;
  }

  /** What failed and why, in the driver's words. */
  reason(name: DriverFunction, code: number): string {
    return `${name} failed: ${described(this.#errorName, code) ?? `error ${code}`} (${described(this.#errorText, code) ?? 'unknown to the driver'})`;
  }

  error(op: string, name: DriverFunction, code: number): ShoalError {
    const fact = this.reason(name, code);
    if (code === result.outOfMemory)
      return new ShoalError('MEMORY', { op, fact, next: 'Use a smaller batch, or dispose of executables that are not needed' });
    const next = lasting.has(code) ? 'The device is lost to this process: start another one' : undefined;
    return new ShoalError('DEVICE', { op, fact, ...(next ? { next } : {}) });
  }
}

function described(describe: Describe, code: number): string | undefined {
  const pointer = new BigUint64Array(1);
  return describe(code, pointer) === result.success && pointer[0] !== 0n ? koffi.decode.string(pointer[0]) : undefined;
}
