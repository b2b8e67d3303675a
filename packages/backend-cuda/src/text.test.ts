import { expect, test } from 'vitest';
import { fixed, lift, withoutMarks } from './text.ts';

const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

test.each<[string, string, readonly number[]]>([
  ['in0(i / 12 % 3)', 'in0(i / shoal_n[4] % shoal_n[5])', [12, 3]],
  ['h - 1 + (-2) - -3', 'h - shoal_n[4] + (shoal_n[5]) - shoal_n[6]', [1, -2, -3]],
  ['x = -0.5f * 1e-05f;', 'x = shoal_float((unsigned)shoal_n[4]) * shoal_float((unsigned)shoal_n[5]);', [bits(-0.5), bits(1e-5)]],
  ['shoal_float(0xff800000u)', 'shoal_float((unsigned)shoal_n[4])', [bits(-Infinity)]],
  ['(-2147483647 - 1) & 4294967295u', 'shoal_n[4] & (unsigned)shoal_n[5]', [-0x80000000, -1]],
  ['t1[e2] ^ 0x9e3779b9u', 't1[e2] ^ 0x9e3779b9u', []],
])('%s', (text, lifted, words) => {
  expect(lift(text, 4)).toEqual({ text: lifted, words });
});

test('what is fixed stays, and what is put into it as text does not', () => {
  const text = fixed`float sum[${8}]; for (int k = 0; k < ${'20'}; k += 4) { ${'i / 3'} }`;
  expect(lift(text, 0)).toEqual({ text: 'float sum[8]; for (int k = 0; k < shoal_n[0]; k += 4) { i / shoal_n[1] }', words: [20, 3] });
  expect(withoutMarks(text)).toBe('float sum[8]; for (int k = 0; k < 20; k += 4) { i / 3 }');
});
