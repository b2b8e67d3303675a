import { wasmKernel } from '@shoal/backend-wasm';
import type { Local } from '@shoal/backend-wasm/encoder';
import { constantsFor, loadPack, transformFilter, type Pack } from './transforms.ts';
import { points, windowSide, winogradSizes, winogradWeight } from './tiles.ts';

/** Channels that are read, in one tile of work. */
const innerPerTile = 64;

/** One tile transforms some of the channels that one panel reads. */
export const winogradWeightWasm = wasmKernel(winogradWeight, ({ inputs, attributes, stage }) => {
  const { panel, panelsPerSlice, transposed } = attributes;
  const { inner, outer, panels, pointSize } = winogradSizes(inputs[0]!.shape, attributes);
  const chunks = Math.ceil(inner / innerPerTile);
  // Bytes from one tap, one channel that is read and one that is written to the next, in the weight.
  const [innerStep, outerStep] = transposed ? [4, inner * 4] : [outer * 4, 4];
  const tap = inner * outer * 4;
  stage({ tiles: panels * chunks }, ({ f, tile, input, output }) => {
    const { i32, v128 } = f;
    const index = f.let(i32.divU(tile, chunks));
    const first = f.let(i32.mul(i32.remU(tile, chunks), innerPerTile));
    const last = f.let(i32.add(first, innerPerTile));
    const end = f.let(f.select(last, i32.const(inner), i32.ltU(last, inner)));
    const slice = i32.mul(i32.divU(index, panelsPerSlice), points * pointSize);
    const place = i32.add(slice, i32.mul(i32.remU(index, panelsPerSlice), inner * panel));
    const target = f.let(i32.add(output(0), i32.shl(i32.add(place, i32.mul(first, panel)), 2)));
    const source = f.let(i32.add(input(0), i32.mul(first, innerStep)));
    const channel = f.let(i32.mul(index, panel));
    const vectors = Array.from({ length: panel / 4 }, (_, v) => v);
    // Lanes beyond the last channel repeat it.
    const lanes = Array.from({ length: transposed ? panel : 0 }, (_, lane) => {
      const own = f.let(i32.add(channel, lane));
      return f.let(i32.mul(f.select(own, i32.const(outer - 1), i32.ltU(own, outer)), outerStep));
    });
    const gather = (offset: number, vector: number): Pack => {
      const at = (lane: number): Local<'i32'> => f.let(i32.add(source, lanes[vector * 4 + lane]!));
      let gathered = v128.load32Zero(at(0), offset);
      for (let lane = 1; lane < 4; lane++) gathered = v128.load32Lane(at(lane), gathered, lane, offset);
      return [f.let(gathered)];
    };
    const constants = constantsFor(f, 'filter');
    const start = f.let(i32.shl(channel, 2));
    const i = f.local.i32();
    f.for(i, first, end, 1, () => {
      f.temporaries(() => {
        for (const vector of vectors) {
          const read = (row: number, column: number): Pack => {
            // Backwards, the window is turned around.
            const [r, s] = transposed ? [windowSide - 1 - row, windowSide - 1 - column] : [row, column];
            const offset = (r * windowSide + s) * tap;
            return transposed ? gather(offset, vector) : loadPack(f, i32.add(source, start), offset + vector * 16, 1);
          };
          transformFilter(f, constants, read, (point, [value]) => v128.store(target, value!, point * pointSize * 4 + vector * 16, 4));
        }
      });
      f.set(source, i32.add(source, innerStep));
      f.set(target, i32.add(target, panel * 4));
    });
  });
});
