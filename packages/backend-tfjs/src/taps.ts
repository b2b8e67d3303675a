import type { Window2d } from '@shoal/core';

/** Which window positions along one axis have a given cell of the window inside the input, and where that cell is. */
export interface Tap {
  /** The cell's number in the window. */
  readonly cell: number;
  /** The first of those positions, and how many there are. */
  readonly first: number;
  readonly count: number;
  /** The input element that the first of them reads; the next ones read every `stride`-th after it. */
  readonly start: number;
  readonly stride: number;
}

/** The taps of a window along the height or the width, those that never meet the input left out. */
export function tapsAlong(
  axis: 'height' | 'width',
  input: number,
  output: number,
  { window, stride, dilation, padding }: Window2d,
): readonly Tap[] {
  const before = axis === 'height' ? padding.top : padding.left;
  return Array.from({ length: window[axis] }, (_, cell) => {
    const offset = cell * dilation[axis] - before;
    const first = Math.max(0, Math.ceil(-offset / stride[axis]));
    const last = Math.min(output - 1, Math.floor((input - 1 - offset) / stride[axis]));
    return { cell, first, count: last - first + 1, start: first * stride[axis] + offset, stride: stride[axis] };
  }).filter(({ count }) => count > 0);
}
