import { describeCases } from '@shoal/conformance/vitest';
import { createRuntime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { onWebgpu } from '../webgpu.ts';

await onWebgpu((backend) =>
  describeCases(coreCases, () => createRuntime(backend), {
    backend: 'webgpu',
    makeOracle: () => createRuntime(reference()),
  }),
);
