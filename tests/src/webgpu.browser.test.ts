import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { expect, test } from 'vitest';
import { onWebgpu } from './webgpu.ts';

await onWebgpu((backend) => {
  // Second derivatives run the same kernels: Node checks them.
  const tables = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases].map((table) => ({
    ...table,
    cases: table.cases.map((one) => ({ ...one, secondOrder: false })),
  }));
  describeCases(tables, () => createRuntime(backend, [mathWebgpu, convWebgpu, poolWebgpu, residualWebgpu]), {
    backend: 'webgpu in Chromium',
    makeOracle: () => createRuntime(reference(), [mathReference, convReference, poolReference, residualReference]),
  });
  test('the browser names its adapter and its clock', async () => {
    const runtime = await createRuntime(backend);
    expect(runtime.info).toMatchObject({ backend: 'webgpu', flags: { software: true } });
    expect(runtime.info.clock).not.toBe('');
    await runtime.dispose();
  });
});
