import { describeCases } from '@shoal/conformance/vitest';
import { mathCases } from '@shoal/math/cases';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { onWebgpu } from '../webgpu.ts';

await onWebgpu((backend) =>
  describeCases(mathCases, () => createRuntime(backend, [mathWebgpu]), {
    backend: 'webgpu',
    makeOracle: () => createRuntime(reference(), [mathReference]),
  }),
);
