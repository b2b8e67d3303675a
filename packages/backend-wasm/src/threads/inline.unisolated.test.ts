import { expect, test } from 'vitest';
import { compile, detectFeatures, ModuleBuilder } from '../encoder/index.ts';
import { CONTROL_BYTES, createInline, createPool, emitBarrier } from './index.ts';

test('without isolation there is no shared memory, and one thread in the page computes', async () => {
  expect(detectFeatures()).toMatchObject({ simd: true, sharedMemory: false, crossOriginIsolated: false });
  const m = new ModuleBuilder({ fma: false, shared: false });
  m.function({ name: 'run', parameters: { threadId: 'i32', threadCount: 'i32', x: 'f32' }, export: true }, (f, { threadCount, x }) => {
    emitBarrier(m, f, threadCount);
    f.f32.store(CONTROL_BYTES, f.f32.mul(x, f.f32.convertI32S(threadCount)));
  });
  const executor = createInline({ memory: new WebAssembly.Memory({ initial: 1 }) });
  await executor.run(await executor.load(compile(m.build())), 'run', [2.5]);
  expect(new Float32Array(executor.memory.buffer)[CONTROL_BYTES / 4]).toBe(2.5);
});

test('a pool says that it needs a shared memory', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  await expect(createPool({ threads: 2, memory })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('cross-origin isolated'),
  });
});
