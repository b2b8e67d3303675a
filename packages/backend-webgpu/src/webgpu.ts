import { checkOptions, ShoalError, type Backend } from '@shoal/core';
import { openDevice, type WebgpuOptions } from './adapter.ts';
import { WebgpuDevice } from './device.ts';
import type { WebgpuKernel } from './kernel.ts';
import { structuralWebgpu } from './kernels/index.ts';

/**
 * The WebGPU backend, in browsers and in Node: shaders printed per shape, one submit per run, variables on the device.
 *
 * In Node it needs the npm package `webgpu` (Dawn), or a `gpu` given in the options. Results are float32 and the same bits on every
 * run on one device; between devices they differ in the last places, as WGSL leaves rounding of `exp`, division and others open.
 *
 * @throws ShoalError `ATTRIBUTE` for an unknown option, precision or storage; opening throws `UNSUPPORTED`, with the reason, where there is no WebGPU,
 * or no half floats that were asked for
 */
export function webgpu(options: WebgpuOptions = {}): Backend<WebgpuKernel> {
  checkOptions('backend-webgpu', options, ['gpu', 'precision', 'storage', 'software', 'powerPreference', 'autotune', 'dawnFlags']);
  const { precision = 'default', storage = 'f32', autotune } = options;
  if (typeof autotune === 'object') checkOptions('backend-webgpu: autotune', autotune, ['budget', 'software', 'onProgress']);
  if (precision !== 'default' && precision !== 'strict') {
    const fact = `unknown precision '${String(precision)}'`;
    throw new ShoalError('ATTRIBUTE', { op: 'backend-webgpu', fact, next: "Use 'default' or 'strict'" });
  }
  if (storage !== 'f32' && storage !== 'f16') {
    throw new ShoalError('ATTRIBUTE', { op: 'backend-webgpu', fact: `unknown storage '${String(storage)}'`, next: "Use 'f32' or 'f16'" });
  }
  return { name: 'webgpu', kernels: structuralWebgpu, open: async () => new WebgpuDevice(await openDevice(options), autotune) };
}
