import type { Backend } from '@shoal/core';
import { CudaDevice } from './device.ts';
import type { CudaKernel } from './kernel.ts';
import { structuralCuda } from './kernels/index.ts';
import type { Machine } from './machine.ts';

/** The backend on a kind of machine. */
export function backendOn(open: () => Promise<Machine>): Backend<CudaKernel> {
  return { name: 'cuda', kernels: structuralCuda, open: async () => new CudaDevice(await open()) };
}
