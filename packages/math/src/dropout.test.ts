import { createRuntime, input } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { dropout } from './dropout.ts';

const x = input('x', [4000]);
const step = input('step', [], 'u32');

async function kept(rate: number, at: number, stream = 0): Promise<readonly number[]> {
  const runtime = await createRuntime(reference());
  const executable = await runtime.compile({ outputs: { y: dropout(x, { rate, step, stream }) } });
  const { y } = await executable.run({ x: new Float32Array(4000).fill(1), step: [at] });
  await runtime.dispose();
  return Array.from(y!);
}

test('drops its share and keeps the mean', async () => {
  const y = await kept(0.2, 3);
  expect(new Set(y)).toEqual(new Set([0, 1.25]));
  expect(y.filter((value) => value === 0).length / 4000).toBeCloseTo(0.2, 1.7);
});

test('every step and every stream draws anew, the same step the same', async () => {
  const first = await kept(0.5, 3);
  expect(await kept(0.5, 3)).toEqual(first);
  expect(await kept(0.5, 4)).not.toEqual(first);
  expect(await kept(0.5, 3, 1)).not.toEqual(first);
});

test('rate 0 is the input itself', () => {
  expect(dropout(x, { rate: 0, step, stream: 0 })).toBe(x);
});
