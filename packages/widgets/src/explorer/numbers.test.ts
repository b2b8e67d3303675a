import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatNumber, formatShort, isUnfinished, parseNumber } from './numbers.ts';
import { cellNumber, chooseLanguage } from './state.ts';

describe('numbers', () => {
  test('a cell shows what was typed into it, in either language', () => {
    const values = fc.double({ min: -99, max: 99, noNaN: true }).map((value) => cellNumber(value)!);
    fc.assert(
      fc.property(values, fc.constantFrom('en' as const, 'pt-BR' as const), (value, language) => {
        expect(parseNumber(formatNumber(value, language))).toBe(value);
      }),
    );
  });

  test.each([
    ['1', 1],
    [' -2.5 ', -2.5],
    ['−2,5', -2.5],
    ['+.5', 0.5],
    ['3.', 3],
    ['-0', 0],
    ['0.12345', 0.123],
    ['99', 99],
  ])("reads '%s'", (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  test.each(['', '-', '1e3', '99.1', '-100', 'NaN', '1 2', '1,2,3', 'x'])("does not take '%s'", (text) => {
    expect(parseNumber(text)).toBeNull();
  });

  test('does not complain about what may become a number', () => {
    expect(['', '-', '−', ',', '-.'].every(isUnfinished)).toBe(true);
    expect(['x', '100', '--'].some(isUnfinished)).toBe(false);
  });

  test('writes with the sign and decimal mark of the language', () => {
    expect(formatNumber(-1.0625, 'en')).toBe('−1.063');
    expect(formatNumber(-0, 'en')).toBe('0');
    expect(formatNumber(1234.5, 'pt-BR')).toBe('1234,5');
    expect(formatShort(-106.405, 'pt-BR')).toBe('−106,4');
    expect(formatShort(0.0625, 'en')).toBe('0.063');
  });

  test('chooses the first language it speaks', () => {
    expect(chooseLanguage(['', null, 'fr', 'pt-PT', 'en'])).toBe('pt-BR');
    expect(chooseLanguage(['en-GB', 'pt'])).toBe('en');
    expect(chooseLanguage(['de'])).toBe('en');
  });
});
