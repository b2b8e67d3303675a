import { webgpu } from '@shoal/backend-webgpu';
import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime, input } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { maxPool2d } from '@shoal/pool';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { expect, test } from 'vitest';
import { spread, trainingStep } from './training-step.ts';
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
  test('training works in a worker, beside a runtime of the page, with the same bits', async () => {
    const worker = new Worker(new URL('./workers/train.ts', import.meta.url), { type: 'module' });
    const answer = new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    });
    const runtime = await createRuntime(backend, [mathWebgpu, convWebgpu, poolWebgpu, residualWebgpu]);
    const step = await runtime.compile(trainingStep().program);
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) losses.push((await step.run({ x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] }))['loss']![0]!);
    expect(await answer).toEqual({ losses, canvas: 'undefined', document: 'undefined' });
    worker.terminate();
    await runtime.dispose();
  });
  test('what was timed in a page is kept for the next runtime', async () => {
    const program = { outputs: { y: maxPool2d(input('x', [1, 6, 5, 4]), { window: 2 }) } };
    const by: string[] = [];
    for (let i = 0; i < 2; i++) {
      const runtime = await createRuntime(webgpu({ software: true, autotune: { budget: 60_000, software: true } }), [poolWebgpu]);
      by.push(...(await runtime.compile(program)).tuned.map((kernel) => kernel.by));
      await runtime.dispose();
    }
    expect(by).toEqual(['timing', 'earlier timing']);
  });
  test('the browser names its adapter and its clock', async () => {
    const runtime = await createRuntime(backend);
    expect(runtime.info).toMatchObject({ backend: 'webgpu', flags: { software: true } });
    expect(runtime.info.clock).not.toBe('');
    await runtime.dispose();
  });
});
