import { checkOptions, type Backend } from '@shoal/core';
import { backendOn } from './backend.ts';
import { openDriverMachine, type CudaOptions } from './driver/open.ts';
import type { CudaKernel } from './kernel.ts';

/**
 * The CUDA backend, in Node: kernels in CUDA C printed per shape, compiled by NVRTC when a program is compiled, or generic ones that
 * the package ships where there is no NVRTC; run as CUDA graphs through the NVIDIA driver; variables stay on the device.
 *
 * It needs a driver for CUDA 12 or newer and a device of compute capability 7.5 or newer; Linux or Windows. NVRTC is that of CUDA 12 or 13.
 * Compiled kernels are kept in `shoal` of the user's cache folder, or in the folder that `SHOAL_CACHE` names; empty, it keeps none.
 *
 * Convolutions are kernels of its own, or cuDNN's for `convolution: 'cudnn'`.
 *
 * Results are float32, sums and products included (but for `precision: 'tf32'`), and the same bits on every run on one device.
 *
 * @throws ShoalError `ATTRIBUTE` for an unknown option; opening throws `UNSUPPORTED`, with the reason, where something is missing
 */
export function cuda(options: CudaOptions = {}): Backend<CudaKernel> {
  checkOptions('backend-cuda', options, ['convolution', 'cudnn', 'device', 'driver', 'kernels', 'nvrtc', 'precision']);
  return backendOn(async () => openDriverMachine(options));
}
