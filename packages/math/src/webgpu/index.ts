import type { WebgpuKernel } from '@shoal/backend-webgpu';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';
import { matmul } from './matmul.ts';

/** Matrix multiplication on WebGPU. */
export const mathWebgpu = { matmulOp: matmul } satisfies KernelsOf<typeof ops, WebgpuKernel>;
