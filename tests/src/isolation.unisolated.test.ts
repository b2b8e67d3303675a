import { expect, test } from 'vitest';

test('the unisolated project is not cross-origin isolated', () => {
  expect(globalThis.crossOriginIsolated).toBe(false);
  expect('SharedArrayBuffer' in globalThis).toBe(false);
});
