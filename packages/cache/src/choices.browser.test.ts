import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openChoices } from './choices.ts';

beforeEach(() => new Promise((resolve) => indexedDB.deleteDatabase('shoal').addEventListener('success', resolve)));
afterEach(() => void vi.unstubAllGlobals());

const choose = async (key: string): Promise<void> => {
  const choices = await openChoices(['webgpu']);
  choices.set(key, 'wide');
  await choices.save();
};
const found = async (key: string): Promise<string | undefined> => (await openChoices(['webgpu'])).find(key, ['wide']);

test('IndexedDB keeps choices, of all that write at once', async () => {
  const keys = Array.from({ length: 10 }, (_, i) => `key ${i}`);
  await Promise.all(keys.map(choose));
  expect(await Promise.all(keys.map(found))).toEqual(keys.map(() => 'wide'));
});

test('where IndexedDB is refused, memory does', async () => {
  await choose('kept');
  vi.stubGlobal('indexedDB', {
    open() {
      throw new DOMException('denied', 'SecurityError');
    },
  });
  expect(await found('kept')).toBeUndefined();
  await choose('remembered');
  expect(await found('remembered')).toBe('wide');
});
