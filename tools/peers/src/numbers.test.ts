import { expect, test } from 'vitest';
import { compare } from './agreement.ts';
import { ratioOf, summarize } from './statistics.ts';

test('a ratio is that of the medians, in an interval that noise widens', () => {
  expect(ratioOf([2, 2, 2], [4, 4, 4])).toEqual({ ratio: 0.5, low: 0.5, high: 0.5 });
  const quiet = ratioOf([10, 11, 10, 11, 10], [20, 21, 20, 21, 20]);
  const loud = ratioOf([10, 19, 10, 19, 10], [20, 39, 20, 39, 20]);
  expect(quiet.ratio).toBe(0.5);
  expect(loud.high - loud.low).toBeGreaterThan(3 * (quiet.high - quiet.low));
  expect(ratioOf([10, 11, 12], [20, 21, 22])).toEqual(ratioOf([10, 11, 12], [20, 21, 22]));
});

test('quartiles of five samples in any order', () => {
  expect(summarize([5, 1, 4, 2, 3])).toMatchObject({ median: 3, q1: 2, q3: 4, p95: 4.8 });
});

test('differences are measured by the size of what is expected', () => {
  const expected = [Float32Array.of(3, -4, 0, 5)]; // root mean square: sqrt(50 / 4)
  const scale = Math.sqrt(12.5);
  const moved = [Float32Array.of(3, -4, 0.5, 5)];
  expect(compare(moved, expected, { largest: 0.2 })).toEqual({ largest: 0.5 / scale, typical: 0.25 / scale, agrees: true });
  expect(compare(moved, expected, { largest: 0.1 }).agrees).toBe(false);
  expect(compare(moved, expected, { typical: 0.1 }).agrees).toBe(true);
  expect(compare(moved, expected, { typical: 0.05 }).agrees).toBe(false);
});

test('nothing that is not finite, missing or of another length agrees', () => {
  const expected = [Float32Array.of(1, 2), Float32Array.of(3)];
  const agrees = (...results: readonly Float32Array[]): boolean => compare(results, expected, { largest: 1e9 }).agrees;
  expect(agrees(Float32Array.of(1, 2), Float32Array.of(3))).toBe(true);
  expect(agrees(Float32Array.of(1, NaN), Float32Array.of(3))).toBe(false);
  expect(agrees(Float32Array.of(1, Infinity), Float32Array.of(3))).toBe(false);
  expect(agrees(Float32Array.of(1, 2))).toBe(false);
  expect(agrees(Float32Array.of(1, 2), Float32Array.of(3), Float32Array.of(4))).toBe(false);
  expect(agrees(Float32Array.of(1, 2, 3), Float32Array.of(3))).toBe(false);
});
