import { forUnits, forVectors, loadPack, storeLanes, tilesFor, type Lanes, type Repetition } from '@shoal/backend-wasm';
import { sizeOf, type Size2d, type Step } from '@shoal/core';

/** Elements written by one tile: some ten microseconds. */
const grain = 32768;

/** How often a step writes each cell. */
function factorsOf({ node, repetition }: Step): Size2d {
  const along = (axis: number): number => repetition!.outputs[0]!.shape.at(axis)! / node.outputs[0]!.shape.at(axis)!;
  return { height: along(-3), width: along(-2) };
}

export const repetition: Repetition = {
  place(f, step, cell, constant) {
    const { height, width } = factorsOf(step);
    const { i32 } = f;
    const columns = step.node.outputs[0]!.shape.at(-2)!;
    if (height === 1) return [i32.mul(cell, width), constant * width];
    // Rows are numbered through all planes. Constant cells may lead into the next row, and stay constant: neighbours share what is computed.
    const row = i32.divU(i32.add(cell, constant), columns);
    return [i32.mul(i32.add(cell, i32.mul(row, (height - 1) * columns)), width), constant * width];
  },

  /**
   * Copies whole cells in the order in which they lie, which the processor fetches ahead. Kernels do not write a cell to all its places at once because
   * they store a panel of its channels at a time: lines far apart, which come into the cache one after the other.
   */
  emit(step, { wide }, addStage) {
    const { node, slice, outputs } = step;
    const { shape } = node.outputs[0]!;
    const { height, width } = factorsOf(step);
    const [columns, channels] = shape.slice(-2) as [number, number];
    const rows = sizeOf(shape.slice(0, -2));
    const cell = outputs[0]!.shape.at(-1)! * 4;
    const rowBytes = columns * width * cell;
    const copies = Array.from({ length: height * width }, (_, i) => Math.floor(i / width) * rowBytes + (i % width) * cell).slice(1);
    const { tiles, perTile } = tilesFor(rows, height * width * columns * channels, grain);
    addStage(copies.length * columns * channels === 0 ? 0 : tiles, (f, tile, output) => {
      const { i32 } = f;
      forUnits({ f, tile }, rows, perTile, (row) => {
        const at = f.let(i32.add(output, i32.add(i32.mul(row, height * rowBytes), (slice?.from ?? 0) * 4)));
        const column = f.local.i32();
        f.for(column, 0, columns, 1, () => {
          forVectors(f, channels, wide ? 2 : 1, (channel, lanes) => {
            const from = f.let(i32.add(at, channel));
            const pack = loadPack(f, from, 0, Math.ceil(lanes / 4));
            for (const copy of copies)
              pack.forEach((value, v) => storeLanes(f, from, value, Math.min(4, lanes - v * 4) as Lanes, copy + v * 16));
          });
          f.set(at, i32.add(at, width * cell));
        });
      });
    });
  },
};
