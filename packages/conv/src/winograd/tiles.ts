import type { Shape } from '@shoal/core';

/** Side of a tile of the output, of the window, and of the tile of the source that the first needs through the second. */
export const outputSide = 4;
export const windowSide = 3;
export const sourceSide = outputSide + windowSide - 1;
/** Products that one tile of one channel costs; directly it would be 4 * 4 * 3 * 3 = 144. */
export const points = sourceSide ** 2;

/** Tiles along each axis of an output [n, h, w, c], and in the whole batch. */
export function tilesOf([batch, height, width]: Shape): { readonly down: number; readonly across: number; readonly count: number } {
  const [down, across] = [Math.ceil(height! / outputSide), Math.ceil(width! / outputSide)];
  return { down, across, count: batch! * down * across };
}
