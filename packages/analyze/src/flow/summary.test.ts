import { normal } from '@shoal/math';
import { expect, test } from 'vitest';
import { summarise } from './summary.ts';

test('the interval lies within the values, is the same every time, and is absent where there is nothing to say', () => {
  const values = [3, 1, 4, 1, 5];
  const { mean, min, max, interval } = summarise(values);
  expect([mean, min, max]).toEqual([2.8, 1, 5]);
  expect(interval![0]).toBeGreaterThan(1);
  expect(interval![1]).toBeLessThan(5);
  expect(summarise(values)).toEqual(summarise(values));
  expect(summarise([7]).interval).toBeNull();
  expect(summarise([7, NaN]).interval).toBeNull();
  expect(summarise([2, 2, 2]).interval).toEqual([2, 2]);
});

test('how often it holds the true mean is what its description says', () => {
  const coverage = (count: number): number => {
    const samples = Array.from({ length: 500 }, (_, seed) => summarise(Array.from(normal({ seed, deviation: 1 })([count], 'sample'))));
    return samples.filter(({ interval }) => interval![0] <= 0 && 0 <= interval![1]).length / samples.length;
  };
  expect(Math.abs(coverage(5) - 0.83)).toBeLessThan(0.05);
  expect(Math.abs(coverage(10) - 0.9)).toBeLessThan(0.05);
});
