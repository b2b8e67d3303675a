import { expect, test } from 'vitest';

test('the browser project is cross-origin isolated and shares memory', () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
  expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
});
