import { stridesOf, type AxisReads, type Shape } from '@shoal/core';
import { centreDistance, composeTable, constantTable, greatestDivisor, hull, leastMultiple, spanAt, uniteTables } from './table.ts';
import type { Span, Table } from './table.ts';

/**
 * A part of a tensor's index: `floor(index[axis] / divisor)`, modulo `count` unless that is null. Reshapes take the position along an
 * image axis apart into several of these, over several axes, and put them together again.
 */
export interface Digit {
  readonly axis: number;
  readonly divisor: number;
  readonly count: number | null;
  /** What the digit counts for in the position: position = sum of weight * digit. */
  readonly weight: number;
  /** Whether its values go on as the image does, so that to read all of them is to read the whole image. */
  readonly goesOn: boolean;
}

/** Where along one image axis the elements of a tensor look: a table over positions, and how an element's index gives the position. */
export interface Track {
  readonly digits: readonly Digit[];
  readonly table: Table;
}

/** A track that is carried by one axis alone, position by position. */
export const plainTrack = (axis: number, table: Table, goesOn: boolean): Track => ({
  digits: [{ axis, divisor: 1, count: null, weight: 1, goesOn }],
  table,
});

/** The same span for every element. */
const constantTrack = (span: Span | null): Track => ({ digits: [], table: constantTable(span) });

/** The values of a digit in a tensor of this shape. */
const countOf = ({ axis, divisor, count }: Digit, shape: Shape): number => count ?? Math.floor(shape[axis]! / divisor);

/**
 * Forgets digits: whatever they are, their elements are looked at together. Null where that is the whole image, because the digit
 * goes on as the image does.
 */
function dropDigits(track: Track, shape: Shape, dropped: readonly Digit[]): Track | null {
  const { digits, table } = track;
  if (dropped.length === 0) return track;
  if (table.shift !== 0 && dropped.some(({ goesOn }) => goesOn)) return null;
  const offsets = dropped.reduce<readonly number[]>(
    (sums, digit) => sums.flatMap((sum) => Array.from({ length: countOf(digit, shape) }, (_, i) => sum + i * digit.weight)),
    [0],
  );
  const kept = digits.filter((digit) => !dropped.includes(digit));
  const read = (position: number): Span | null => hull(offsets.map((offset) => spanAt(table, position + offset)));
  if (kept.length === 0) return constantTrack(read(0));
  return { digits: kept, table: { spans: table.spans.map((_, position) => read(position)), shift: table.shift } };
}

/** The position that an element's index gives. */
function positionAt({ digits }: Track, indexOf: (axis: number) => number): number {
  return digits.reduce((sum, { axis, divisor, count, weight }) => {
    const digit = Math.floor(indexOf(axis) / divisor);
    return sum + weight * (count === null ? digit : ((digit % count) + count) % count);
  }, 0);
}

/** A track that only the axes of `kept` decide about; the whole image is null. */
export function keepAxes(track: Track, shape: Shape, kept: readonly number[]): Track | null {
  const dropped = track.digits.filter(({ axis }) => !kept.includes(axis));
  return dropDigits(track, shape, dropped);
}

/** What an element of a tensor sees. */
export const spanOf = (track: Track, indexOf: (axis: number) => number): Span | null => spanAt(track.table, positionAt(track, indexOf));

/** A track whose digits all lie on one axis of `size`, as a table over the positions of that axis. */
function flatten(track: Track, size: number): Table {
  const { digits, table } = track;
  const read = (index: number): Span | null => spanOf(track, () => index);
  if (digits.length === 1 && digits[0]!.divisor === 1 && digits[0]!.count === null && digits[0]!.weight === 1) return table;
  const spansOf = (length: number): readonly (Span | null)[] => Array.from({ length }, (_, index) => read(index));
  if (table.shift === null) return { spans: spansOf(size), shift: null };
  const period = digits.reduce((length, { divisor, count, weight }) => {
    const own = count === null ? table.spans.length / greatestDivisor(table.spans.length, weight) : count;
    return leastMultiple(length, divisor * own);
  }, 1);
  const moved = digits.reduce((sum, { divisor, count, weight }) => (count === null ? sum + (weight * period) / divisor : sum), 0);
  return { spans: spansOf(period), shift: (moved / table.spans.length) * table.shift };
}

/** The axis that the track moves along, as a table over it; the other digits are dropped. Null where it has none. */
export function mainAxis(track: Track, shape: Shape): MainAxis | null {
  const main = track.digits.find(({ goesOn }) => goesOn) ?? track.digits.find(({ count }) => count === null) ?? track.digits[0];
  if (!main) return null;
  const kept = keepAxes(track, shape, [main.axis]);
  return kept && { axis: main.axis, goesOn: main.goesOn, table: flatten(kept, shape[main.axis]!) };
}

export interface MainAxis extends Pick<Digit, 'axis' | 'goesOn'> {
  readonly table: Table;
}

/** What a step makes of a track, and whether it reads the whole image beside. */
export interface Stepped {
  readonly track: Track | null;
  readonly whole: boolean;
}

/** Whether an axis goes through an op as it is. */
function isSame(reads: AxisReads, axis: number, from: Shape, to: Shape): boolean {
  if (reads === 'all' || reads.repeat?.positions !== 1 || reads.repeat.cells !== 1 || from[axis] !== to[reads.along]) return false;
  const cells = reads.cells(0);
  return cells.length === 1 && cells[0] === 0;
}

/** A track through an op that reads its input as `reads` says, axis by axis. `from` and `to` are the shapes of input and output. */
export function stepTrack(track: Track, reads: readonly AxisReads[], from: Shape, to: Shape): Stepped {
  const rest = dropDigits(
    track,
    from,
    track.digits.filter(({ axis }) => reads[axis] === 'all'),
  );
  if (!rest) return { track: null, whole: true };
  const alongOf = (axis: number): number => {
    const rule = reads[axis]!;
    return rule === 'all' ? axis : rule.along;
  };
  if (rest.digits.length === 0) {
    // The same everywhere, but for the part of the output that another input holds.
    const joined = reads.find((rule) => rule !== 'all' && rule.repeat === null);
    if (joined && joined !== 'all')
      return { track: plainTrack(joined.along, composeTable(rest.table, joined, to[joined.along]!), false), whole: false };
  }
  if (rest.digits.every(({ axis }) => isSame(reads[axis]!, axis, from, to))) {
    return { track: { ...rest, digits: rest.digits.map((digit) => ({ ...digit, axis: alongOf(digit.axis) })) }, whole: false };
  }
  const main = mainAxis(rest, from);
  const rule = main && reads[main.axis]!;
  if (!main || !rule || rule === 'all') return { track: rest, whole: false };
  const goesOn = main.goesOn && rule.part !== true;
  return { track: plainTrack(rule.along, composeTable(main.table, rule, to[rule.along]!), goesOn), whole: false };
}

/** A track through a reshape. Null where a digit falls apart into pieces that are none. */
export function regroupTrack({ digits, table }: Track, from: Shape, to: Shape): Track | null {
  const [inner, outer] = [stridesOf(from), stridesOf(to)];
  const pieces: Digit[] = [];
  for (const digit of digits) {
    // A digit of the row-major index: it takes values of `low` each, up to `top`.
    const low = inner[digit.axis]! * digit.divisor;
    const top = low * countOf(digit, from);
    if (top === low) {
      // One value, now; as the image goes on, so does the axis, if it is left in its place.
      if (to[digit.axis] === 1 && outer[digit.axis] === low) pieces.push({ ...digit, divisor: 1 });
      continue;
    }
    for (const [axis, size] of to.entries()) {
      const [start, end] = [Math.max(low, outer[axis]!), Math.min(top, outer[axis]! * size)];
      if (start >= end) continue;
      if (start % low !== 0 || start % outer[axis]! !== 0 || end % start !== 0) return null;
      const goesOn = digit.goesOn && end === top;
      pieces.push({
        axis,
        divisor: start / outer[axis]!,
        count: (goesOn || digit.count === null) && end === top && end === outer[axis]! * size ? null : end / start,
        weight: digit.weight * (start / low),
        goesOn,
      });
    }
  }
  return { digits: pieces, table };
}

const sameDigits = (a: Track, b: Track): boolean =>
  a.digits.length === b.digits.length &&
  a.digits.every((digit, i) => {
    const other = b.digits[i]!;
    return digit.axis === other.axis && digit.divisor === other.divisor && digit.count === other.count && digit.weight === other.weight;
  });

/** Positions that a track has in a tensor of this shape. */
const positionsOf = ({ digits }: Track, shape: Shape): number =>
  1 + digits.reduce((sum, digit) => sum + digit.weight * (countOf(digit, shape) - 1), 0);

/** Two tracks that meet in a tensor. */
export interface Met extends Stepped {
  /** How far apart the middles of what they look at are, in image cells; 0 where one of the two is the same everywhere. */
  readonly distance: number;
}

export function uniteTracks(a: Track, b: Track, shape: Shape): Met {
  if (sameDigits(a, b)) {
    const size = positionsOf(a, shape);
    const digits = a.digits.map((digit, i) => ({ ...digit, goesOn: digit.goesOn || b.digits[i]!.goesOn }));
    return { track: { digits, table: uniteTables(a.table, b.table, size) }, whole: false, distance: distanceOf(a, b, size) };
  }
  if (a.digits.length === 0) return uniteTracks(b, a, shape);
  if (b.digits.length === 0) {
    const track = { ...a, table: uniteTables(a.table, b.table, positionsOf(a, shape)) };
    return { track, whole: false, distance: 0 };
  }
  const [p, q] = [mainAxis(a, shape), mainAxis(b, shape)];
  if (!p || !q || p.axis !== q.axis) return { track: a, whole: true, distance: 0 };
  return uniteTracks(plainTrack(p.axis, p.table, p.goesOn), plainTrack(q.axis, q.table, q.goesOn), shape);
}

const distanceOf = (a: Track, b: Track, size: number): number => (a.digits.length === 0 ? 0 : centreDistance(a.table, b.table, size));
