import { describeCases } from '@shoal/conformance/vitest';
import { residualCases } from '@shoal/residual/cases';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { onWebgpu } from '../webgpu.ts';

await onWebgpu((backend) =>
  describeCases(residualCases, () => createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]), {
    backend: 'webgpu',
    makeOracle: () => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]),
  }),
);
