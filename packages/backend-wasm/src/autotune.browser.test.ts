import { expect, test } from 'vitest';
import { fastest, type Variant } from './autotune.ts';
import { keptChoices } from './choices/page.ts';

test('a page keeps what was chosen for the next visit', async () => {
  await new Promise((resolve) => indexedDB.deleteDatabase('shoal').addEventListener('success', resolve));
  const variants = Object.entries({ slow: 1.5, fast: 0.1 }).map(([name, milliseconds]): Variant => ({
    name,
    prepare: () => () => {
      for (const until = performance.now() + milliseconds; performance.now() < until;);
    },
  }));
  expect(await fastest('a key of this page', variants)).toBe('fast');
  await expect.poll(async () => (await keptChoices()).find('a key of this page', ['slow', 'fast'])).toBe('fast');
});
