import { storeLanes, wasmKernel } from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { maxPool } from '../max-pool.ts';
import { eachCell, emitWindows, forCells, isUnrolled, type Spot } from './windows.ts';

/** The best value so far, and its cell, counted from the window's first cell. */
interface Best {
  readonly value: Local<'v128'>;
  readonly cell: Local<'v128'>;
}

/**
 * `pmax` forgets a NaN that comes second, and comparisons are blind to them. Beside the maximum the fast form keeps a sum, at one
 * instruction a cell: where that is no NaN, no cell is one. Otherwise (a NaN, or infinities of both signs) the window is done again
 * by {@link emitExact}.
 */
export const maxPoolWasm = wasmKernel(
  maxPool,
  (site) => {
    const [wantsValue, wantsWinner] = site.wanted;
    emitWindows(site, (spot) => {
      const { stage, cell, to, channel, lanes, inside } = spot;
      const { f } = stage;
      const best: Best = { value: f.local.v128(f.f32x4.splat(-Infinity)), cell: f.local.v128(0) };
      if (inside) emitExact(spot, best);
      else emitFast(spot, best, isUnrolled(site, spot.plane), wantsWinner!);
      if (wantsWinner) storeLanes(f, f.i32.add(stage.output(1), to), f.i32x4.add(best.cell, f.i32x4.splat(cell)), lanes);
      if (wantsValue) stage.store(best.value, { at: to, channel }, lanes);
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

function emitFast(spot: Spot, best: Best, unrolled: boolean, wantsWinner: boolean): void {
  const { f } = spot.stage;
  const { f32x4, i32x4, v128 } = f;
  const sum = f.local.v128(0);
  const take = (read: V128, cell: Local<'i32'> | number): void => {
    const value = f.let(read);
    if (wantsWinner) {
      const at = typeof cell === 'number' ? i32x4.const(cell, cell, cell, cell) : i32x4.splat(cell);
      f.set(best.cell, i32x4.select(f32x4.gt(value, best.value), at, best.cell));
    }
    f.set(best.value, f32x4.pmax(best.value, value));
    f.set(sum, f32x4.add(sum, value));
  };
  if (unrolled) eachCell(spot, take);
  else forCells(spot, take);
  f.if(v128.anyTrue(f32x4.ne(sum, sum)), () => emitExact(spot, best));
}

/** The first NaN wins, otherwise the first maximum; the first cell beats nothing. */
function emitExact(spot: Spot, best: Best): void {
  const { f } = spot.stage;
  const { f32x4, i32x4, v128 } = f;
  f.set(best.value, f32x4.splat(-Infinity));
  f.set(best.cell, -1);
  forCells(spot, (read, cell) => {
    const value = f.let(read);
    const isFirstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(best.value, best.value));
    const wins = f.let(v128.or(v128.or(f32x4.gt(value, best.value), isFirstNaN), i32x4.eq(best.cell, -1)));
    f.set(best.value, f32x4.select(wins, value, best.value));
    f.set(best.cell, i32x4.select(wins, i32x4.splat(cell), best.cell));
  });
}
