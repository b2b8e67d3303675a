import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import { onWebgpu } from '../webgpu.ts';

await onWebgpu((backend) =>
  describeCases(convCases, () => createRuntime(backend, [convWebgpu]), {
    backend: 'webgpu',
    makeOracle: () => createRuntime(reference(), [convReference]),
  }),
);
