import type { AxisCells } from '@shoal/core';

/** The first and the last image cell along one axis. */
export type Span = readonly [first: number, last: number];

/**
 * Which image cells each position of an axis depends on: a span each, or null where the position holds a constant.
 *
 * The pattern repeats: `spans.length` positions further on, spans lie `shift` image cells further on. Where `shift` is null it does
 * not, and positions outside of the list hold nothing.
 */
export interface Table {
  readonly spans: readonly (Span | null)[];
  readonly shift: number | null;
}

export const identityTable: Table = { spans: [[0, 0]], shift: 1 };

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
export const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
export const leastMultiple = (a: number, b: number): number => (a / greatestDivisor(a, b)) * b;

/** The whole positions of an axis, for a tensor that does not go on. */
export function boundedTable(size: number): Table {
  return { spans: range(size).map((cell) => [cell, cell]), shift: null };
}

export function constantTable(span: Span | null): Table {
  return { spans: [span], shift: 0 };
}

export function spanAt({ spans, shift }: Table, position: number): Span | null {
  const turn = Math.floor(position / spans.length);
  if (shift === null && turn !== 0) return null;
  const span = spans[position - turn * spans.length] ?? null;
  return span && shift !== null ? [span[0] + turn * shift, span[1] + turn * shift] : span;
}

/** The smallest span that holds all of them. */
export function hull(spans: readonly (Span | null)[]): Span | null {
  return spans.reduce((a, b) => (a && b ? [Math.min(a[0], b[0]), Math.max(a[1], b[1])] : (a ?? b)), null);
}

/** A position of the new table reads several of the old one. `size` is how long the new axis is. */
export function composeTable(table: Table, rule: AxisCells, size: number): Table {
  const { repeat } = rule;
  const read = (position: number): Span | null => hull(rule.cells(position).map((cell) => spanAt(table, cell)));
  if (table.shift === null || repeat === null) return { spans: range(size).map(read), shift: null };
  // As many repetitions of the rule as make whole repetitions of the table.
  const period = table.spans.length;
  const times = repeat.cells === 0 ? 1 : period / greatestDivisor(period, repeat.cells);
  return { spans: range(times * repeat.positions).map(read), shift: ((times * repeat.cells) / period) * table.shift };
}

/** Image cells per position. */
export const rateOf = ({ spans, shift }: Table): number | null => (shift === null ? null : shift / spans.length);

/** How many positions have to be looked at to know both tables: a common repetition, or all `size`. */
export function commonPositions(a: Table, b: Table, size: number): readonly number[] {
  const repeats = rateOf(a) !== null && rateOf(a) === rateOf(b);
  return range(repeats ? leastMultiple(a.spans.length, b.spans.length) : size);
}

/** What depends on both. Where they move at different rates the pattern never repeats. */
export function uniteTables(a: Table, b: Table, size: number): Table {
  const positions = commonPositions(a, b, size);
  const rate = rateOf(a);
  return {
    spans: positions.map((position) => hull([spanAt(a, position), spanAt(b, position)])),
    shift: rate !== null && rate === rateOf(b) ? rate * positions.length : null,
  };
}

export const centreOf = ([first, last]: Span): number => (first + last) / 2;

/** How far apart the middles of the two are, where they are farthest. */
export function centreDistance(a: Table, b: Table, size: number): number {
  return commonPositions(a, b, size).reduce((most, position) => {
    const [p, q] = [spanAt(a, position), spanAt(b, position)];
    return p && q ? Math.max(most, Math.abs(centreOf(p) - centreOf(q))) : most;
  }, 0);
}
