import type { Summary } from '@shoal/analyze';

/** Three significant digits. */
export function formatNumber(value: number): string {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(2);
  return Number(value.toPrecision(3)).toString();
}

/** `0.867 [0.861, 0.872]`: mean and interval; `1 exactly` where it is known in advance. */
export function formatSummary({ mean, interval }: Summary, exact = false): string {
  if (exact) return `${formatNumber(mean)} exactly`;
  return interval ? `${formatNumber(mean)} [${interval.map(formatNumber).join(', ')}]` : formatNumber(mean);
}

/** `25 % exactly`, `49.9 %`. */
export function formatFraction({ mean }: Summary, exact = false): string {
  return `${formatNumber(100 * mean)} %${exact ? ' exactly' : ''}`;
}

/** `a to b`, the extremes over runs. */
export const formatRange = ({ min, max }: Summary): string => `${formatNumber(min)} to ${formatNumber(max)}`;
