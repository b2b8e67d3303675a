import { createRuntime, firstRuntime, input } from '@shoal/core';
import { maxPool2d } from '@shoal/pool';

const runtime = await firstRuntime([
  async () => {
    const [{ webgpu }, { poolWebgpu }] = await Promise.all([import('@shoal/backend-webgpu'), import('@shoal/pool/webgpu')]);
    return createRuntime(webgpu(), [poolWebgpu]);
  },
  async () => {
    const [{ wasm }, { poolWasm }] = await Promise.all([import('@shoal/backend-wasm'), import('@shoal/pool/wasm')]);
    return createRuntime(wasm(), [poolWasm]);
  },
]);

const image = input('image', [1, 4, 4, 1]);
const pooled = await runtime.compile({ outputs: { pooled: maxPool2d(image, { window: 2 }) } });
const { outputs } = await pooled.timed({ image: [1, 2, 0, 1, 3, 4, 2, 0, 1, 0, 5, 6, 0, 2, 7, 8] });

console.log(runtime.backend, ...outputs.pooled!);
for (const note of runtime.info.notes) console.log(note);
await runtime.dispose();
