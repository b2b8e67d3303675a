import { storeLanes, VECTOR_BYTES, wasmKernel, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { apply, apply1 } from '@shoal/core';
import { maxPool } from '../max-pool.ts';
import type { PoolAttributes } from '../window.ts';
import { planeOf } from './axis.ts';
import { fitsByte, maxPoolPlaces, packed, placeBytes, winnersOp } from './places.ts';
import { emitWindows, forCells, isUnrolled, lanesOf, readTap, tapsOf, vectorsOf, type Spot, type Tap } from './windows.ts';

/** The best value so far, and its cell: counted from the window's first cell through the plane, or its place in the window. */
interface Best {
  readonly value: Local<'v128'>;
  readonly cell: Local<'v128'>;
}

/**
 * `pmax` forgets a NaN that comes second, and comparisons are blind to them. Beside the maximum the fast form adds up what it reads, at
 * one instruction a cell: a row of windows whose sums are numbers has no NaN in it. Any other row (a NaN, or infinities of both signs) is done again by {@link emitExact}.
 */
function emitMax(site: WasmSite<PoolAttributes>, winners: 'cells' | 'places'): void {
  const [wantsValue, wantsWinner] = site.wanted;
  const unrolled = isUnrolled(site);
  const plane = planeOf(site.inputs[0]!.shape, site.outputs[0]!.shape, site.attributes);
  const taps = tapsOf(plane);
  emitWindows(site, (stage) => {
    const { f } = stage;
    const { f32x4, i32x4, v128 } = f;
    const isSpoilt = f.local.v128(0);
    const inspect = (sum: V128): void => {
      const held = f.let(sum);
      f.set(isSpoilt, v128.or(isSpoilt, f32x4.ne(held, held)));
    };
    // In locals, because the engine builds a vector constant anew wherever one stands.
    const numbers = unrolled && wantsWinner ? taps.map((tap) => f.local.v128(i32x4.splat(winners === 'cells' ? tap.cell : tap.index))) : [];
    const write = (spot: Spot, best: Best, vector = 0): void => {
      const { cell, window, to, channel } = spot;
      const [bytes, lanes] = [vector * VECTOR_BYTES, lanesOf(spot, vector)];
      if (wantsWinner && winners === 'cells') {
        storeLanes(f, f.i32.add(stage.output(1), to), i32x4.add(best.cell, i32x4.splat(cell)), lanes, bytes);
      } else if (wantsWinner) {
        const at = f.i32.add(
          f.i32.mul(window(), placeBytes(plane.channels)),
          typeof channel === 'number' ? channel >> 2 : f.i32.shrU(channel, 2),
        );
        v128.store32Lane(f.i32.add(stage.output(1), at), packed(f, best.cell), 0, vector * 4, 1);
      }
      if (wantsValue) stage.store(best.value, { at: to, offset: bytes, channel, channelOffset: bytes }, lanes);
    };
    const take = (best: Best, value: Local<'v128'>, cell: V128): void => {
      if (wantsWinner) f.set(best.cell, i32x4.select(f32x4.gt(value, best.value), cell, best.cell));
      f.set(best.value, f32x4.pmax(best.value, value));
    };
    return {
      run: (spots, inside) => {
        // Cells that lie in several windows are read, and looked at, once.
        const read = new Map<string, Local<'v128'>>();
        const sums = vectorsOf(spots).map((): { total: Local<'v128'> | null } => ({ total: null }));
        spots.forEach((spot, i) => {
          const value = (tap: Tap, vector: number): Local<'v128'> => {
            const cell = tap.cell + i * plane.columns.stride;
            const known = read.get(`${cell} ${vector}`);
            if (known) return known;
            const fresh = f.let(readTap(spots[0]!, cell, vector));
            read.set(`${cell} ${vector}`, fresh);
            const sum = sums[vector]!;
            if (sum.total) f.set(sum.total, f32x4.add(sum.total, fresh));
            else sum.total = f.let(fresh);
            return fresh;
          };
          const [first, ...others] = inside as [Tap, ...Tap[]];
          const bests = vectorsOf(spots).map((vector): Best => ({
            value: f.let(value(first, vector)),
            cell: f.local.v128(numbers[first.index] ?? 0),
          }));
          for (const tap of others) bests.forEach((best, vector) => take(best, value(tap, vector), numbers[tap.index] ?? best.cell));
          bests.forEach((best, vector) => write(spot, best, vector));
        });
        const totals = sums.flatMap(({ total }): V128[] => (total ? [total] : []));
        inspect(totals.reduce((a, b) => f32x4.add(a, b)));
      },
      whole: (spot) => {
        const best: Best = { value: f.local.v128(f32x4.splat(-Infinity)), cell: f.local.v128(0) };
        const sum = f.local.v128(0);
        forCells(spot, (read, cell, place) => {
          const next = f.let(read);
          take(best, next, i32x4.splat(winners === 'cells' ? cell : place()));
          f.set(sum, f32x4.add(sum, next));
        });
        inspect(sum);
        write(spot, best);
      },
      edge: (spot) => write(spot, emitExact(stage, spot, winners)),
      check: { begin: () => f.set(isSpoilt, 0), failed: () => v128.anyTrue(isSpoilt) },
    };
  });
}

/** With a byte for each winner, and where somebody else than the gradient reads them, the winners of that. */
export const maxPoolWasm = wasmKernel(maxPool, (site) => emitMax(site, 'cells'), {
  fusion: { epilogue: true, slice: true, load: { 0: 'masked' } },
  lower: ([x], attributes) => {
    if (!fitsByte(attributes)) return null;
    const [y, places] = apply(maxPoolPlaces, [x!], attributes);
    return [y!, apply1(winnersOp, [places!], { ...attributes, inputShape: x!.shape, pooled: y!.shape })];
  },
});

export const maxPoolPlacesWasm = wasmKernel(maxPoolPlaces, (site) => emitMax(site, 'places'), {
  fusion: { epilogue: true, slice: true, load: { 0: 'masked' } },
});

/** The first NaN wins, otherwise the first maximum; the first cell beats nothing. */
function emitExact({ f }: Stage, spot: Spot, winners: 'cells' | 'places'): Best {
  const { f32x4, i32x4, v128 } = f;
  const best: Best = { value: f.local.v128(f32x4.splat(-Infinity)), cell: f.local.v128(i32x4.const(-1, -1, -1, -1)) };
  forCells(spot, (read, cell, place) => {
    const value = f.let(read);
    const isFirstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(best.value, best.value));
    const wins = f.let(v128.or(v128.or(f32x4.gt(value, best.value), isFirstNaN), i32x4.eq(best.cell, -1)));
    f.set(best.value, f32x4.select(wins, value, best.value));
    f.set(best.cell, i32x4.select(wins, i32x4.splat(winners === 'cells' ? cell : place()), best.cell));
  });
  return best;
}
