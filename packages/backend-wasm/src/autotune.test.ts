import { memoryStore, openChoices } from '@shoal/cache/choices';
import { expect, test } from 'vitest';
import { fastest, tileRows, type Variant } from './autotune.ts';

const busy = (milliseconds: number) => () => {
  for (const until = performance.now() + milliseconds; performance.now() < until;);
};

test('the fastest variant is chosen once, and kept for the next process', async () => {
  const prepared: string[] = [];
  const variants = Object.entries({ slow: 1.5, fast: 0.1, middling: 0.8 }).map(([name, milliseconds]): Variant => ({
    name,
    prepare: () => {
      prepared.push(name);
      return busy(milliseconds);
    },
  }));
  const store = memoryStore();
  const choices = (scope: string) => () => openChoices([scope], store);
  expect(await fastest('a key of this test', variants, choices('engine'))).toBe('fast');
  expect(await fastest('a key of this test', variants, choices('engine'))).toBe('fast');
  expect(prepared).toEqual(['slow', 'fast', 'middling']);
  expect((await choices('engine')()).find('a key of this test', ['fast'])).toBe('fast');

  const slower = await choices('of another process')();
  slower.set('another key', 'slow');
  await slower.save();
  expect(await fastest('another key', variants, choices('of another process'))).toBe('slow');
  expect(prepared).toHaveLength(3);
});

test.each([true, false])('a tile of this engine, fma %s, has four to six rows', async (fma) => {
  expect([4, 5, 6]).toContain(await tileRows(fma, false));
});
