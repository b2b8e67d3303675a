import { atMost, loadPack, wasmKernel } from '@shoal/backend-wasm';
import { transformFilter } from '../../winograd/transforms.ts';
import { constantsFor, packed } from './arithmetic.ts';
import { points, windowSide } from '../../winograd/tiles.ts';
import { winogradSizes, winogradWeight } from './tiles.ts';

/** Channels that are read, in one tile of work. */
const innerPerTile = 64;

/** One tile transforms some of the channels that one panel reads. */
export const winogradWeightWasm = wasmKernel(winogradWeight, ({ inputs, attributes, engine, stage }) => {
  const vectors = engine.wide ? 2 : 1;
  const { panel, panelsPerSlice, turned } = attributes;
  const { inner, outer, panels, pointSize } = winogradSizes(inputs[0]!.shape, attributes);
  const chunks = Math.ceil(inner / innerPerTile);
  const tap = inner * outer * 4;
  stage({ tiles: panels * chunks }, ({ f, tile, input, output }) => {
    const { i32, v128 } = f;
    const index = f.let(i32.divU(tile, chunks));
    const first = f.let(i32.mul(i32.remU(tile, chunks), innerPerTile));
    const slice = i32.mul(i32.divU(index, panelsPerSlice), points * pointSize);
    const place = i32.add(slice, i32.mul(i32.remU(index, panelsPerSlice), inner * panel));
    const target = f.let(i32.add(output(0), i32.shl(i32.add(place, i32.mul(first, panel)), 2)));
    const source = f.let(i32.add(input(0), i32.shl(i32.add(i32.mul(first, outer), i32.mul(index, panel)), 2)));
    const constants = constantsFor(f, 'filter');
    const i = f.local.i32();
    f.for(i, first, atMost(f, i32.add(first, innerPerTile), inner), 1, () => {
      f.temporaries(() => {
        for (let lane = 0; lane < panel; lane += vectors * 4) {
          transformFilter(
            packed(f, constants),
            (row, column) => {
              const at = row * windowSide + column;
              return loadPack(f, source, (turned ? windowSide ** 2 - 1 - at : at) * tap + lane * 4, vectors);
            },
            (point, values) => values.forEach((value, v) => v128.store(target, value, (point * pointSize + lane + v * 4) * 4, 4)),
          );
        }
      });
      f.set(source, i32.add(source, outer * 4));
      f.set(target, i32.add(target, panel * 4));
    });
  });
});
