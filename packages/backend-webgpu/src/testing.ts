import { ShoalError, type Backend } from '@shoal/core';
import type { WebgpuKernel } from './kernel.ts';
import { openDevice, type AutotuneOptions } from './adapter.ts';
import { WebgpuDevice } from './device.ts';
import type { TunerParts } from './tune/tuner.ts';
import { webgpu } from './webgpu.ts';

/** The backend on the adapter that computes on the CPU, tuning all the same, with its choices kept where `parts` says. */
export function tuningBackend(options: AutotuneOptions, parts: TunerParts): Backend<WebgpuKernel> {
  return { ...webgpu(), open: async () => new WebgpuDevice(await openDevice({ software: true }), { ...options, software: true }, parts) };
}

/**
 * The backend on the adapter that computes on the CPU, for tests of kernels on machines without a GPU; a text says why there is
 * none. In Node it needs the package `webgpu`, libvulkan.so.1 and a SwiftShader, such as Debian's chromium brings.
 *
 * @throws ShoalError what opening throws, when the environment variable SHOAL_REQUIRE_BROWSER is 1: there nothing may be skipped
 */
export async function softwareBackend(): Promise<Backend<WebgpuKernel> | string> {
  const backend = webgpu({ software: true });
  try {
    const device = await backend.open();
    await device.dispose();
    return backend;
  } catch (error) {
    const required = typeof process === 'object' && process.env['SHOAL_REQUIRE_BROWSER'] === '1';
    if (!(error instanceof ShoalError) || error.code !== 'UNSUPPORTED' || required) throw error;
    return error.message;
  }
}
