// In a dedicated worker: no document, and whatever canvas there is taken away.
import { webgpu } from '@shoal/backend-webgpu';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { spread, trainingStep } from '../training-step.ts';

Reflect.deleteProperty(globalThis, 'OffscreenCanvas');

async function train(): Promise<unknown> {
  const runtime = await createRuntime(webgpu({ software: true }), [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
  const step = await runtime.compile(trainingStep().program);
  const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
  const runs = Array.from({ length: 5 }, () => step.run(feeds));
  const losses = (await Promise.all(runs)).map(({ loss }) => loss![0]);
  await runtime.dispose();
  return { losses, canvas: typeof OffscreenCanvas, document: typeof document };
}

train().then(postMessage, (error: unknown) => postMessage(String(error)));
