import { atMost, loadPack, storePack, wasmKernel } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, Operand } from '@shoal/backend-wasm/encoder';
import { constantsFor, packed } from './arithmetic.ts';
import { windowSide } from '../../winograd/tiles.ts';
import { filteringOf } from './filtering.ts';
import { winogradSizes, winogradWeight, type WinogradWeightAttributes } from './tiles.ts';

/** Channels that are read, in one tile of work. */
const innerPerTile = 64;

/** How rows of weights are transformed: a row is what one channel of the source multiplies, a panel of it at a time. */
export interface FilterRows extends Pick<WinogradWeightAttributes, 'tiling' | 'turned' | 'panel'> {
  /** Numbers from one tap to the next, and from one row to the next. */
  readonly tap: number;
  readonly outer: number;
  /** Numbers from one point to the next in what is written. */
  readonly pointSize: number;
  readonly vectors: number;
}

/** Transforms `count` rows of one panel, from `source` on, to `target`, where they lie together. */
export function emitFilterRows(
  f: FunctionBuilder,
  { tiling, turned, panel, tap, outer, pointSize, vectors }: FilterRows,
  { source, target, count }: { readonly source: Local<'i32'>; readonly target: Local<'i32'>; readonly count: Operand<'i32'> },
): void {
  const { i32 } = f;
  const { filter, factors } = filteringOf(tiling);
  const constants = constantsFor(f, factors.filter);
  const i = f.local.i32();
  f.for(i, 0, count, 1, () => {
    f.temporaries(() => {
      for (let lane = 0; lane < panel; lane += vectors * 4) {
        filter(
          packed(f, constants),
          (row, column) => {
            const at = row * windowSide + column;
            return loadPack(f, source, ((turned ? windowSide ** 2 - 1 - at : at) * tap + lane) * 4, vectors);
          },
          (point, values) => storePack(f, target, values, values.length * 4, (point * pointSize + lane) * 4),
        );
      }
    });
    f.set(source, i32.add(source, outer * 4));
    f.set(target, i32.add(target, panel * 4));
  });
}

/** One tile transforms some of the channels that one panel reads. */
export const winogradWeightWasm = wasmKernel(winogradWeight, ({ inputs, attributes, engine, stage }) => {
  const { tiling, panel, panelsPerSlice, turned } = attributes;
  const { inner, outer, panels, pointSize } = winogradSizes(inputs[0]!.shape, attributes);
  const rows = { tiling, turned, panel, tap: inner * outer, outer, pointSize, vectors: engine.wide ? 2 : 1 };
  const chunks = Math.ceil(inner / innerPerTile);
  stage({ tiles: panels * chunks }, ({ f, tile, input, output }) => {
    const { i32 } = f;
    const index = f.let(i32.divU(tile, chunks));
    const first = f.let(i32.mul(i32.remU(tile, chunks), innerPerTile));
    const slice = i32.mul(i32.divU(index, panelsPerSlice), filteringOf(tiling).weights * pointSize);
    const place = i32.add(slice, i32.mul(i32.remU(index, panelsPerSlice), inner * panel));
    const target = f.let(i32.add(output(0), i32.shl(i32.add(place, i32.mul(first, panel)), 2)));
    const source = f.let(i32.add(input(0), i32.shl(i32.add(i32.mul(first, outer), i32.mul(index, panel)), 2)));
    emitFilterRows(f, rows, { source, target, count: f.let(atMost(f, i32.sub(i32.const(inner), first), innerPerTile)) });
  });
});
