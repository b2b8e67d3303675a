import { expect, test } from 'vitest';
import { CompilationError, compile, detectFeatures } from './index.ts';

test('Node has everything, and no notion of isolation', () => {
  const features = detectFeatures();
  expect(features).toMatchObject({ simd: true, relaxedSimd: true, atomics: true, sharedMemory: true, crossOriginIsolated: undefined });
  expect(detectFeatures()).toBe(features);
});

test('wrong bytes are invalid, with the reason of the engine', () => {
  expect(() => compile(Uint8Array.of(0, 1, 2, 3))).toThrow(CompilationError);
  expect(() => compile(Uint8Array.of(0, 1, 2, 3))).toThrow(
    expect.objectContaining({ reason: 'invalid', message: expect.stringContaining('magic word') }),
  );
});
