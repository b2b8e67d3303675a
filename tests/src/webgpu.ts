import type { WebgpuKernel } from '@shoal/backend-webgpu';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import type { Backend } from '@shoal/core';
import { test } from 'vitest';

/** Declares tests on the software adapter, or one skipped test that says why there is none. */
export async function onWebgpu(declare: (backend: Backend<WebgpuKernel>) => void): Promise<void> {
  const backend = await softwareBackend();
  if (typeof backend === 'string') test.skip(`webgpu tests skipped: ${backend}`);
  else declare(backend);
}
