import { ShoalError, type Backend } from '@shoal/core';
import type { WebgpuOptions } from './adapter.ts';
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
export function softwareBackend(): Promise<Backend<WebgpuKernel> | string> {
  return openable({ software: true }, typeof process === 'object' && process.env['SHOAL_REQUIRE_BROWSER'] === '1');
}

/** The backend with half floats in memory, on whatever adapter has them, such as Mesa's lavapipe; a text says why there is none. */
export async function halfBackend(): Promise<Backend<WebgpuKernel> | string> {
  const backend = await openable({ storage: 'f16' });
  return typeof backend === 'string' ? openable({ storage: 'f16', software: true }) : backend;
}

/** The backend on Dawn's device without a driver: it checks shaders and calls, has every feature, and computes nothing. Node only. */
export function nullBackend(options: Pick<WebgpuOptions, 'storage' | 'precision'> = {}): Promise<Backend<WebgpuKernel> | string> {
  return openable({ ...options, dawnFlags: ['backend=null'] });
}

async function openable(options: WebgpuOptions, required = false): Promise<Backend<WebgpuKernel> | string> {
  const backend = webgpu(options);
  try {
    const device = await backend.open();
    await device.dispose();
    return backend;
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'UNSUPPORTED' || required) throw error;
    return error.message;
  }
}
