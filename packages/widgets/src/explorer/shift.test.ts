import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shiftEffect, shiftImage, shiftSources } from './shift.ts';

const image = Array.from({ length: 16 }, (_, i) => i + 1);

describe('shift', () => {
  test('one to the right, around the edge or with zeros', () => {
    expect(shiftImage(image, { x: 1, y: 0, edge: 'circular' })).toEqual([4, 1, 2, 3, 8, 5, 6, 7, 12, 9, 10, 11, 16, 13, 14, 15]);
    expect(shiftImage(image, { x: 1, y: 0, edge: 'zero' })).toEqual([0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15]);
  });

  test('two up, with zeros', () => {
    expect(shiftImage(image, { x: 0, y: -2, edge: 'zero' })).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test('around the edge nothing is lost, and shifting back brings all back', () => {
    const by = fc.integer({ min: -3, max: 3 });
    fc.assert(
      fc.property(by, by, (x, y) => {
        const there = shiftImage(image, { x, y, edge: 'circular' });
        expect(there.toSorted((a, b) => a - b)).toEqual(image);
        expect(shiftImage(there, { x: -x, y: -y, edge: 'circular' })).toEqual(image);
      }),
    );
  });

  test('says where each place comes from', () => {
    const sources = shiftSources({ x: -1, y: 3, edge: 'zero' });
    expect(sources.slice(12)).toEqual([1, 2, 3, null]);
    expect(sources.slice(0, 12).every((source) => source === null)).toBe(true);
  });

  test('what a shift did to outputs: nothing, moved them, changed them', () => {
    expect(shiftEffect([1, 2, 3, 4], [1, 2, 3, 4])).toEqual({ kind: 'unchanged', changed: 0, total: 4 });
    expect(shiftEffect([1, 2, 3, 4], [2, 1, 4, 3])).toEqual({ kind: 'moved', changed: 0, total: 4 });
    expect(shiftEffect([1, 2, 3, 4], [3, 4, 1, 2])).toEqual({ kind: 'moved', changed: 0, total: 4 });
    expect(shiftEffect([1, 2, 3, 4], [4, 3, 2, 9])).toEqual({ kind: 'changed', changed: 1, total: 4 });
  });

  test('channels move together', () => {
    expect(shiftEffect([1, 2, 3, 4, 5, 6, 7, 8], [3, 4, 1, 2, 7, 8, 5, 6])).toEqual({ kind: 'moved', changed: 0, total: 8 });
    expect(shiftEffect([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 4, 3, 6, 5, 8, 7])).toEqual({ kind: 'changed', changed: 8, total: 8 });
  });
});
