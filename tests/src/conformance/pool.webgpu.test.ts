import { describeCases } from '@shoal/conformance/vitest';
import { poolCases } from '@shoal/pool/cases';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { onWebgpu } from '../webgpu.ts';

await onWebgpu((backend) =>
  describeCases(poolCases, () => createRuntime(backend, [poolWebgpu]), {
    backend: 'webgpu',
    makeOracle: () => createRuntime(reference(), [poolReference]),
  }),
);
