import { atMost, forPiece } from '@shoal/backend-wasm';
import { leaveMoments, type Run } from '../moments.ts';
import type { LeaveMoments } from './convolution.ts';
import { placeOf } from './tile.ts';

/** The tiles of a block that are neighbours in one row of tiles make up runs of cells. */
export const leaveSliceMoments: LeaveMoments = (
  { attributes: { block: perBlock, panel, panelsPerSlice }, filtering: { outputSide: side }, target, tiles, sizes, vectors },
  stage,
  { block, blocks, slice },
) => {
  const { f } = stage;
  const { i32 } = f;
  const size = panel * panelsPerSlice;
  const cellBytes = target.channels * 4;
  const channel = f.let(i32.mul(slice, size * 4));
  const first = f.let(i32.mul(block, perBlock));
  const end = f.let(atMost(f, i32.add(first, perBlock), tiles.count));
  const forRuns = (body: (run: Run) => void): void => {
    const index = f.let(first);
    const y = f.local.i32();
    f.loop((next) => {
      const { image, row, column } = placeOf(f, tiles, side, index);
      const [left, rest] = [f.let(i32.sub(end, index)), f.let(i32.sub(tiles.across, i32.remU(index, tiles.across)))];
      const count = f.let(f.select(left, rest, i32.ltU(left, rest)));
      const columns = f.let(i32.sub(atMost(f, i32.add(column, i32.mul(count, side)), target.width), column));
      f.for(y, row, f.let(atMost(f, i32.add(row, side), target.height)), 1, () => {
        const cell = i32.add(i32.mul(i32.add(i32.mul(image, target.height), y), target.width), column);
        const from = f.let(i32.add(channel, i32.mul(cell, cellBytes)));
        body({ from, to: f.let(i32.add(from, i32.mul(columns, cellBytes))) });
      });
      f.brIf(next, i32.ltU(f.tee(index, i32.add(index, count)), end));
    });
  };
  forPiece(f, { total: sizes.outer, size, isLast: () => i32.eq(slice, sizes.slices - 1) }, (lanes) =>
    leaveMoments({ stage, wide: vectors > 1, blocks, block, channel, lanes, cellBytes, forRuns }),
  );
};
