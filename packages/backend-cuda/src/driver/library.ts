import { ShoalError } from '@shoal/core';
import koffi, { type LibraryHandle } from 'koffi';

/** What the NVIDIA driver installs, by operating system. */
const driverNames: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['libcuda.so.1', 'libcuda.so'],
  win32: ['nvcuda.dll'],
};

export const unavailable = (fact: string, next?: string, cause?: unknown): ShoalError =>
  new ShoalError('UNSUPPORTED', { op: 'backend-cuda', fact, ...(next ? { next } : {}), ...(cause === undefined ? {} : { cause }) });

/** A library; undefined where it cannot be loaded. */
export function load(path: string): LibraryHandle | undefined {
  try {
    return koffi.load(path);
  } catch {
    return undefined;
  }
}

/**
 * Loads the NVIDIA driver's library.
 *
 * @param path where it is; by default, where the operating system looks
 * @throws ShoalError `UNSUPPORTED` where there is none
 */
export function loadDriver(path?: string, platform = process.platform): LibraryHandle {
  const names = path === undefined ? driverNames[platform] : [path];
  if (!names) {
    const mac = platform === 'darwin';
    throw unavailable(
      mac ? 'macOS has no CUDA: NVIDIA dropped it after CUDA 10.2' : `CUDA is not known on ${platform}`,
      mac ? 'Use the WebGPU backend' : 'Use the WASM or the WebGPU backend',
    );
  }
  for (const name of names) {
    const library = load(name);
    if (library) return library;
  }
  throw unavailable(`no NVIDIA driver here: ${names[0]} is not installed`, 'Install a driver for CUDA 12 or newer');
}
