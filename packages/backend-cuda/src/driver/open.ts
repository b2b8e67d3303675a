import { ShoalError, type DeviceInfo } from '@shoal/core';
import { DriverApi, result } from './api.ts';
import type { Precision } from '../kernel.ts';
import { withCache } from './cache.ts';
import type { KernelCompiler } from './compiler.ts';
import { findCudnn } from './cudnn.ts';
import { loadDriver, unavailable } from './library.ts';
import { DriverMachine } from './machine.ts';
import { findNvrtc } from './nvrtc.ts';
import { ShippedKernels } from './shipped.ts';

/** What {@link cuda} takes. */
export interface CudaOptions {
  /** Which of several devices, as the driver counts them. Default 0. */
  readonly device?: number;
  /** Where the driver's library is (`libcuda.so.1`, `nvcuda.dll`), if the operating system does not find it. */
  readonly driver?: string;
  /** Where NVRTC is, if it is not found. */
  readonly nvrtc?: string;
  /**
   * `compiled` for each shape, by NVRTC; or `shipped`: generic ones that the driver alone can run, in float32. By default compiled
   * where NVRTC is found, or where `nvrtc` or TF32 ask for it, else shipped. They add in different orders: losses agree to rounding, bits do not.
   */
  readonly kernels?: 'compiled' | 'shipped';
  /**
   * How matrix products and convolutions compute. Default `float32`. `tf32` rounds their factors to 10 bits after the point (a relative
   * error of 5e-4 each) where tensor cores take them; it needs compute capability 8.0.
   */
  readonly precision?: Precision;
  /**
   * What computes convolutions: `kernels` of Shoal's own, the default; or `cudnn`, cuDNN 9, where it can say the convolution and has a way
   * that gives the same bits on every run, kernels for the rest. Results agree to rounding, bits do not.
   */
  readonly convolution?: 'kernels' | 'cudnn';
  /** Where cuDNN is (`libcudnn.so.9`, `cudnn64_9.dll`), if it is not found. It is used where it is given. */
  readonly cudnn?: string;
}

/** A device with its context, current on this thread. */
export interface OpenedDevice {
  readonly api: DriverApi;
  readonly context: bigint;
  /** Compute capability: 80 is 8.0. */
  readonly capability: number;
  readonly close: () => void;
}

const op = 'backend-cuda';
/** CUDA 12.0, as the driver counts. */
const oldestDriver = 12_000;
const oldestCapability = 75;
const tensorCapability = 80;

/** CUdevice_attribute. */
const attributes = { clockKhz: 13, multiprocessors: 16, memoryClockKhz: 36, busWidth: 37, major: 75, minor: 76 } as const;

const version = (number: number): string => `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;

/**
 * Opens a device through the driver.
 *
 * @param compilerFor the compiler for a driver of a major version; by default NVRTC, or none
 * @throws ShoalError `UNSUPPORTED`, with the reason, where there is no driver, no device, no compiler, or they are too old
 */
export function openDriverMachine(
  options: CudaOptions,
  compilerFor: (driverMajor: number) => KernelCompiler = (major) => compilerOf(options, major),
): DriverMachine {
  const { device: index = 0, driver, precision = 'float32', kernels, cudnn } = options;
  const { convolution = cudnn === undefined ? 'kernels' : 'cudnn' } = options;
  if (kernels !== undefined && kernels !== 'compiled' && kernels !== 'shipped')
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown kernels '${String(kernels)}'`, next: 'Use compiled or shipped' });
  if (precision !== 'float32' && precision !== 'tf32')
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown precision '${String(precision)}'`, next: 'Use float32 or tf32' });
  if (convolution !== 'kernels' && convolution !== 'cudnn')
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown convolution '${String(convolution)}'`, next: 'Use kernels or cudnn' });
  const api = apiOf(driver);
  const device = deviceAt(api, index);
  const driverVersion = api.number(op, 'cuDriverGetVersion');
  const facts = factsOf(api, device);
  if (precision === 'tf32' && facts.capability < tensorCapability)
    throw unavailable(`${facts.name} has no tensor cores for TF32`, "Leave out { precision: 'tf32' }");
  const driverMajor = Math.floor(driverVersion / 1000);
  const compiler = compilerFor(driverMajor);
  const library = convolution === 'cudnn' ? findCudnn(driverMajor, cudnn) : null;
  const context = api.make(op, 'cuDevicePrimaryCtxRetain', device);
  const close = (): void => {
    api.attempt('cuCtxSetCurrent', null);
    api.attempt('cuDevicePrimaryCtxRelease_v2', device);
  };
  try {
    api.call(op, 'cuCtxSetCurrent', context);
    const info: DeviceInfo = {
      backend: 'cuda',
      device: facts.name,
      threads: 1,
      clock: 'CUDA events',
      flags: {
        capability: facts.capability / 10,
        driver: version(driverVersion),
        compiler: compiler.name,
        multiprocessors: facts.multiprocessors,
        memoryGiB: facts.memoryGiB,
        clockMHz: facts.clockMHz,
        precision,
        cudnn: library?.version ?? false,
      },
      notes: compiler.generic ? ['its kernels are generic, not made for each shape: install NVRTC for those'] : [],
    };
    return new DriverMachine({ api, context, capability: facts.capability, close }, compiler, precision, info, library);
  } catch (cause) {
    close();
    throw cause;
  }
}

function compilerOf({ kernels, nvrtc, precision }: CudaOptions, driverMajor: number): KernelCompiler {
  if (kernels === 'shipped') {
    if (precision === 'tf32')
      throw unavailable('the kernels that are shipped compute in float32', "Leave out { kernels: 'shipped' } and install NVRTC");
    return new ShippedKernels();
  }
  try {
    return withCache(findNvrtc(driverMajor, nvrtc));
  } catch (cause) {
    const needed = kernels === 'compiled' || nvrtc !== undefined || precision === 'tf32';
    if (needed || !(cause instanceof ShoalError && cause.code === 'UNSUPPORTED')) throw cause;
    return new ShippedKernels();
  }
}

function apiOf(path: string | undefined): DriverApi {
  const library = loadDriver(path);
  let api: DriverApi;
  try {
    api = new DriverApi(library);
  } catch (cause) {
    throw unavailable(
      `the NVIDIA driver lacks a function: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Install a newer driver',
      cause,
    );
  }
  const code = api.attempt('cuInit', 0);
  if (code !== result.success) throw unavailable(api.reason('cuInit', code), 'See nvidia-smi');
  const found = api.number(op, 'cuDriverGetVersion');
  if (found < oldestDriver)
    throw unavailable(`the NVIDIA driver is for CUDA ${version(found)}, older than ${version(oldestDriver)}`, 'Install a newer driver');
  return api;
}

function deviceAt(api: DriverApi, index: number): number {
  if (!Number.isSafeInteger(index) || index < 0)
    throw new ShoalError('ATTRIBUTE', { op, fact: `device ${index} is not a number from 0`, next: 'Give 0 for the first device' });
  const count = api.number(op, 'cuDeviceGetCount');
  if (index >= count) throw unavailable(`there is no device ${index}: the driver has ${count}`, 'See nvidia-smi');
  return api.number(op, 'cuDeviceGet', index);
}

interface Facts {
  readonly name: string;
  readonly capability: number;
  readonly multiprocessors: number;
  readonly memoryGiB: number;
  readonly clockMHz: number;
}

function factsOf(api: DriverApi, device: number): Facts {
  const attribute = (which: keyof typeof attributes): number => api.number(op, 'cuDeviceGetAttribute', attributes[which], device);
  const name = new Uint8Array(128);
  api.call(op, 'cuDeviceGetName', name, name.length, device);
  const capability = 10 * attribute('major') + attribute('minor');
  const facts: Facts = {
    name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
    capability,
    multiprocessors: attribute('multiprocessors'),
    memoryGiB: Number((Number(api.make(op, 'cuDeviceTotalMem_v2', device)) / 2 ** 30).toFixed(1)),
    clockMHz: Math.round(attribute('clockKhz') / 1000),
  };
  if (capability < oldestCapability)
    throw unavailable(`${facts.name} has compute capability ${capability / 10}, below ${oldestCapability / 10}`, 'Use the WebGPU backend');
  return facts;
}
