import { input } from '@shoal/core';
import { expect, test } from 'vitest';
import { bilinearCells, upsampleBilinear } from './upsample-bilinear.ts';
import { nearestCell, upsampleNearest } from './upsample-nearest.ts';

const x = input('x', [2, 3, 4, 5]);
/** What a caller without types may pass. */
const untyped = (options: object): never => options as never;

test('shapes', () => {
  expect(upsampleNearest(x, { scale: 2 }).shape).toEqual([2, 6, 8, 5]);
  expect(upsampleBilinear(x, { output: { height: 7, width: 2 } }).shape).toEqual([2, 7, 2, 5]);
});

test('nearest cells in whole numbers', () => {
  expect([0, 1, 2, 3, 4].map((j) => nearestCell('floor', j, 3, 5))).toEqual([0, 0, 1, 1, 2]);
  expect([0, 1, 2, 3, 4].map((j) => nearestCell('exact', j, 3, 5))).toEqual([0, 0, 1, 2, 2]);
  expect(nearestCell('exact', 48, 49, 49)).toBe(48);
});

test('bilinear cells never leave the input', () => {
  expect(bilinearCells(false, 3, 2, 4)).toEqual({ low: 1, high: 1, weight: 0.25 });
  expect(bilinearCells(false, 0, 2, 4)).toEqual({ low: 0, high: 1, weight: 0 });
  expect(bilinearCells(true, 4, 3, 5)).toEqual({ low: 2, high: 2, weight: 0 });
});

test.each([
  [() => upsampleNearest(x, {}), 'residual/upsample-nearest: neither output nor scale is given. Give one of them.'],
  [() => upsampleNearest(x, { output: 4, scale: 2 }), 'residual/upsample-nearest: output and scale are both given. Give one of them.'],
  [() => upsampleNearest(x, { scale: 1.5 }), 'residual/upsample-nearest: scale 1.5 is not a positive integer. Give a scale of at least 1.'],
  [() => upsampleNearest(x, untyped({ scale: 2, mode: 'cubic' })), "residual/upsample-nearest: unknown mode 'cubic'. Use floor or exact."],
  [
    () => upsampleNearest(input('x', [3, 4]), { scale: 2 }),
    'residual/upsample-nearest: expected [n,h,w,c], got [3,4]. Reshape to four axes, channels last.',
  ],
  [
    () => upsampleNearest(input('x', [1, 0, 4, 2]), { output: 2 }),
    'residual/upsample-nearest: 0x4 has no cells to read. Give an input of at least 1x1.',
  ],
  [
    () => upsampleNearest(input('x', [1, 1, 1, 1], 'i32'), { output: 2 }),
    "residual/upsample-nearest: x is i32 where f32 is needed. Cast it with cast(value, 'f32').",
  ],
  [() => upsampleBilinear(x, { output: 0 }), 'residual/upsample-bilinear: size 0 is not a positive integer. Give a size of at least 1.'],
  [
    () => upsampleBilinear(x, untyped({ scale: 2, align: true })),
    'residual/upsample-bilinear: unknown option align. Known options: output, scale, alignCorners.',
  ],
])('wrong input is a typed error %#', (build, message) => {
  expect(build).toThrow(message);
});
