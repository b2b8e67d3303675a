import { describe, expect, test } from 'vitest';
import { gemmSplits, gemmTiles } from './gemm.ts';

describe('tiles', () => {
  test.each([
    { rows: 12_544, columns: 64, depth: 576, tile: '64x64' },
    { rows: 12_544, columns: 32, depth: 288, tile: '64x32' },
    { rows: 27, columns: 40_000, depth: 100, tile: '32x64' },
    { rows: 196, columns: 256, depth: 2304, tile: '32x32' },
    { rows: 12_544, columns: 10, depth: 192, tile: '64x16' },
    { rows: 9, columns: 10, depth: 100, tile: '16x16' },
  ])('$rows x $columns, $depth deep: $tile', ({ tile, ...sizes }) => {
    const [{ rows, columns }] = gemmTiles(sizes);
    expect(`${rows}x${columns}`).toBe(tile);
  });
});

describe('splits', () => {
  test.each([
    { rows: 12_544, columns: 64, depth: 576, splits: 1 },
    { rows: 49, columns: 512, depth: 4608, splits: 3 },
    { rows: 147, columns: 64, depth: 12_544, splits: 10 },
    { rows: 3, columns: 18, depth: 5000, splits: 19 },
    { rows: 3, columns: 18, depth: 500, splits: 1 },
    { rows: 3, columns: 18, depth: 1e6, splits: 64 },
  ])('$rows x $columns, $depth deep: $splits', ({ splits, ...sizes }) => {
    expect(gemmSplits(sizes)).toBe(splits);
  });
});
