import type { Language } from '../strings/index.ts';
import { cellNumber } from './state.ts';

/** A number as it is read: the language's decimal sign, three decimals at most. */
export function formatNumber(value: number, language: Language): string {
  return format(value, language, {});
}

/** The same in at most four digits, for where there is little room. */
export function formatShort(value: number, language: Language): string {
  return format(value, language, { maximumSignificantDigits: 4, roundingPriority: 'lessPrecision' });
}

function format(value: number, language: Language, options: Intl.NumberFormatOptions): string {
  const fixed: Intl.NumberFormatOptions = { maximumFractionDigits: 3, useGrouping: false, signDisplay: 'negative' };
  return new Intl.NumberFormat(language, { ...fixed, ...options }).format(value).replace('-', '−');
}

/** Reads what somebody typed, with a comma or a point; null if it is not a number that a cell takes. */
export function parseNumber(text: string): number | null {
  const plain = text.trim().replace('−', '-').replace(',', '.');
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? cellNumber(Number(plain)) : null;
}

/** True for what may become a number when typed on. */
export const isUnfinished = (text: string): boolean => /^\s*[+−-]?[.,]?$/.test(text);
