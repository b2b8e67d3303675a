import { expect, test } from 'vitest';
import { answerInWords, checkClaims } from './answer.ts';
import type { BenchRow } from './measure.ts';

const row = (id: string, name: string, medianMs: number, counts: Partial<BenchRow> = {}): BenchRow => ({
  id,
  question: id.startsWith('L') ? 'one layer' : 'one network',
  group: id.startsWith('L') ? '64 channels at 112x112' : 'a picture',
  name,
  shape: { input: [1, 4, 4, 1], output: [1, 2, 2, 1] },
  phase: 'fwd',
  backend: 'wasm',
  threads: 1,
  clock: 'none',
  params: 0,
  macs: 0,
  comparisons: 0,
  additions: 0,
  bytes: 0,
  receptiveField: 7,
  samplesNs: [],
  medianMs,
  q1Ms: medianMs,
  q3Ms: medianMs,
  ...counts,
});

const layer = (max: number, conv: number): readonly BenchRow[] => [
  row('L1', 'max 2x2', max),
  row('L5', 'conv 3x3/2', conv, { params: 36_864 }),
  row('L7', 'depthwise 3x3/2', 2),
  row('L8', 'space-to-depth + 1x1', 3),
];
const stems = (strided: number, pooled: number): readonly BenchRow[] => [
  row('N1', '7x7/2', strided, { macs: 100 }),
  row('N2', '7x7/1, max 2x2', pooled, { macs: 400 }),
  row('N3', 'three 3x3/1', 9),
  row('N5', 'three 3x3, first /2 (ResNet-D)', 9, { receptiveField: 11 }),
];

test('each sentence points at rows or at something published, and the numbers are those of the rows', () => {
  const answer = answerInWords([...layer(0.5, 5), ...stems(2, 9)]);
  expect(answer.length).toBe(6);
  for (const sentence of answer) expect(sentence).toMatch(/\((?:L|N)\d|published, not measured here/);
  expect(answer[0]).toContain('Pooling was the cheaper reduction: on 64 channels at 112x112, conv 3x3/2 (L5) took 10.0 times as long');
  expect(answer[2]).toMatch(/^Where the stride stands counts: .* took 4\.5 times .* with 4\.0 times the multiply-accumulates\.$/);
});

test('an engine on which it is the other way round is not told the usual', () => {
  const answer = answerInWords([...layer(5, 4), ...stems(3, 3)]);
  expect(answer[0]).toContain('Pooling was not the cheaper reduction: on 64 channels at 112x112, conv 3x3/2 (L5) took 0.8 times as long');
  expect(answer[2]).toMatch(/^Where the stride stands did not count here: /);
  expect(answer[5]).toMatch(/^So pool where size decides \(L1 against L5\)/);
});

test('a claim that the numbers do not bear out does not hold', () => {
  expect(checkClaims(stems(2, 9)).map(({ holds }) => holds)).toEqual([true, true, false]);
  const broken = stems(2, 9).map((each) => (each.id === 'N2' ? { ...each, macs: 300 } : each));
  expect(checkClaims(broken)[0]).toMatchObject({ holds: false, found: '3.00 times the multiply-accumulates, 4.5 times the time (N2, N1)' });
});
