import { sizeOf, type Step } from '@shoal/core';
import type { FunctionBuilder, Local } from './encoder/index.ts';
import type { EngineOptions, Lanes } from './kernel.ts';
import { forUnits, forVectors, loadPack, storeLanes, tilesFor, VECTOR_BYTES } from './lanes.ts';
import { ELEMENT_BYTES } from './layout.ts';

/** Elements written by one tile: some ten microseconds. */
const grain = 32768;

/**
 * The last stage of a step that stores its cells repeated: the stages before have written each cell to the first of its places, and here it is
 * copied to the others. Kernels store a panel of a cell's channels at a time, and these lines, far apart, come into the cache one after the
 * other; whole cells in the order in which they lie are fetched ahead.
 */
export function emitRepetition(
  { repeats, slice, node, outputs }: Step,
  { wide }: EngineOptions,
  addStage: (tiles: number, body: (f: FunctionBuilder, tile: Local<'i32'>, output: Local<'i32'>) => void) => void,
): void {
  if (!repeats) return;
  const { height, width } = repeats;
  const { shape } = node.outputs[0]!;
  const [columns, channels] = shape.slice(-2) as [number, number];
  const rows = sizeOf(shape.slice(0, -2));
  const cell = outputs[0]!.shape.at(-1)! * ELEMENT_BYTES;
  const rowBytes = columns * width * cell;
  const copies = Array.from({ length: height * width }, (_, i) => Math.floor(i / width) * rowBytes + (i % width) * cell).slice(1);
  const { tiles, perTile } = tilesFor(rows, height * width * columns * channels, grain);
  addStage(copies.length * columns * channels === 0 ? 0 : tiles, (f, tile, output) => {
    const { i32 } = f;
    forUnits({ f, tile }, rows, perTile, (row) => {
      const at = f.let(i32.add(output, i32.add(i32.mul(row, height * rowBytes), (slice?.from ?? 0) * ELEMENT_BYTES)));
      const column = f.local.i32();
      f.for(column, 0, columns, 1, () => {
        forVectors(f, channels, wide ? 2 : 1, (channel, lanes) => {
          const from = f.let(i32.add(at, channel));
          const pack = loadPack(f, from, 0, Math.ceil(lanes / 4));
          for (const copy of copies)
            pack.forEach((value, v) => storeLanes(f, from, value, Math.min(4, lanes - v * 4) as Lanes, copy + v * VECTOR_BYTES));
        });
        f.set(at, i32.add(at, width * cell));
      });
    });
  });
}
