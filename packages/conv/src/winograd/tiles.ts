import type { Shape } from '@shoal/core';

/** Side of a tile of the output in F(4x4, 3x3), of the window, and of the tile of the source that the first needs through the second. */
export const outputSide = 4;
export const windowSide = 3;
export const sourceSide = outputSide + windowSide - 1;
/** Products that one tile of one channel costs; directly it would be 4 * 4 * 3 * 3 = 144. */
export const points = sourceSide ** 2;

/** Tiles along each axis of an output [n, h, w, c], and in the whole batch. */
export function tilesOf(
  [batch, height, width]: Shape,
  side: number = outputSide,
): { readonly down: number; readonly across: number; readonly count: number } {
  const [down, across] = [Math.ceil(height! / side), Math.ceil(width! / side)];
  return { down, across, count: batch! * down * across };
}
