import { importEngine } from '@shoal/backend-tfjs/node';
import { expect, test, vi } from 'vitest';

vi.mock('@tensorflow/tfjs-backend-wasm', () => {
  throw new Error('Cannot find package');
});

test('an engine that is not installed is an error that names the packages', async () => {
  await expect(importEngine('wasm')).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message:
      'backend-tfjs: the TensorFlow.js engine wasm is not installed. Install it: npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm.',
  });
});

test('the others are not affected', async () => {
  expect((await importEngine('cpu')).getBackend()).toBe('cpu');
});
