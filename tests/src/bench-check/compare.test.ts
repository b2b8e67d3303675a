import { expect, test } from 'vitest';
import { compare, standingsOf } from '../../../tools/bench-check/compare.ts';

const round = (factor: number, changed: Readonly<Record<string, number>> = {}): ReadonlyMap<string, number> =>
  new Map(['a', 'b', 'c', 'd', 'e'].map((item, i) => [item, factor * 2 ** i * (changed[item] ?? 1)]));
const verdicts = (rows: ReturnType<typeof compare>): readonly string[] => rows.map(({ item, verdict }) => `${item} ${verdict}`);
const same = ['a same', 'b same', 'c same', 'd same', 'e same'];

test('ratios are around their geometric mean, whatever the speed of the machine', () => {
  const standings = standingsOf([round(1), round(3)]);
  expect(Object.values(standings).map(({ ratio }) => ratio)).toEqual([0.25, 0.5, 1, 2, 4].map((ratio) => expect.closeTo(ratio, 12) as number)); // prettier-ignore
  expect(Object.values(standings).every(({ noise }) => Math.abs(noise) < 1e-12)).toBe(true);
});

test('a machine that is twice as slow is no change', () => {
  const [before, now] = [standingsOf([round(1), round(1, { b: 1.02 })]), standingsOf([round(2), round(2.1, { d: 0.98 })])];
  expect(verdicts(compare(before, now))).toEqual(same);
});

test('what exceeds the noise is named, and the others stay as they are', () => {
  const before = standingsOf([round(1), round(1, { a: 1.02 })]);
  const slower = compare(before, standingsOf([round(1, { c: 1.2 }), round(1, { c: 1.2 })]));
  expect(verdicts(slower)).toEqual(['a same', 'b same', 'c slower', 'd same', 'e same']);
  expect(slower[2]!.change).toBeCloseTo(0.2, 1);
  const faster = compare(before, standingsOf([round(1, { c: 0.5 }), round(1, { c: 0.5 })]));
  expect(verdicts(faster)).toEqual(['a same', 'b same', 'c faster', 'd same', 'e same']);
});

test('the noise of both measurements counts, and agreement by chance does not', () => {
  const noisy = [round(1), round(1, { a: 1.3, b: 0.8, c: 1.2, d: 0.9 })];
  expect(verdicts(compare(standingsOf(noisy), standingsOf([round(1, { e: 1.1 }), round(1, { e: 1.1 })])))).toEqual(same);
  const { noise } = standingsOf(noisy)['e']!;
  expect(noise).toBeGreaterThan(0.1);
});

test('items that only one of the two has are left out', () => {
  const before = standingsOf([new Map([...round(1), ['gone', 1]]), new Map([...round(1), ['gone', 1]])]);
  expect(compare(before, standingsOf([round(1), round(1)])).map(({ item }) => item)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(compare({}, before)).toEqual([]);
});

test('one round says nothing about noise', () => {
  expect(() => standingsOf([round(1)])).toThrow('1 rounds say nothing about noise. Give at least 2.');
});
