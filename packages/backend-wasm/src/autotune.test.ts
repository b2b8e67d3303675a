import { expect, test } from 'vitest';
import { fastest, tileRows } from './autotune.ts';

const busy = (milliseconds: number) => () => {
  for (const until = performance.now() + milliseconds; performance.now() < until;);
};

test('the fastest variant is chosen, once', () => {
  let made = 0;
  const variants = () => {
    made++;
    return [
      { value: 'slow', run: busy(1.5) },
      { value: 'fast', run: busy(0.1) },
      { value: 'middling', run: busy(0.8) },
    ];
  };
  expect(fastest('a key of this test', variants)).toBe('fast');
  expect(fastest('a key of this test', variants)).toBe('fast');
  expect(made).toBe(1);
});

test.each([true, false])('a tile of this engine, fma %s, has four to six rows', (fma) => {
  expect([4, 5, 6]).toContain(tileRows(fma, false));
});
