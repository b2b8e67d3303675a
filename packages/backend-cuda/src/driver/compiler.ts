import type { KernelSource } from '../source.ts';

/** What a compiler must know of the device. */
export interface Target {
  /** Compute capability: 80 is 8.0. */
  readonly capability: number;
}

/** Makes kernels into an image that `cuModuleLoadData` takes. */
export interface KernelCompiler {
  /** For people: `NVRTC 12.4`. */
  readonly name: string;
  /** Whether it has generic kernels alone. */
  readonly generic: boolean;
  compile(kernels: readonly KernelSource[], target: Target): Promise<Uint8Array>;
}
