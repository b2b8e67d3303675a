import { storeLanes, VECTOR_BYTES, wasmKernel, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, V128 } from '@shoal/backend-wasm/encoder';
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
  const { rows, columns } = plane;
  const taps = tapsOf(plane);
  /** From a window's places to those of the window below. Windows whose winners are cells are too large to share rows. */
  const below = rows.stride * columns.window;
  emitWindows(site, wantsWinner ? 2 : 1, (stage) => {
    const { f } = stage;
    const { f32x4, i32x4, v128 } = f;
    const isSpoilt = f.local.v128(0);
    const inspect = (sum: V128): void => {
      const held = f.let(sum);
      f.set(isSpoilt, v128.or(isSpoilt, f32x4.ne(held, held)));
    };
    // In locals, because the engine builds a vector constant anew wherever one stands.
    const numbers = unrolled && wantsWinner ? taps.map(({ index }) => f.local.v128(i32x4.splat(index))) : [];
    const one = f.local.v128(site.engine.fma ? f32x4.splat(1) : 0);
    // Multiplications run beside the comparisons, on other units than additions do.
    const plus = (value: V128, sum: Local<'v128'>): V128 => (site.engine.fma ? f32x4.madd(value, one, sum) : f32x4.add(sum, value));
    const write = (spot: Spot, bests: readonly Best[]): void => {
      const { cell, window, to, channel, lanes } = spot;
      if (wantsWinner && winners === 'cells') {
        const first = f.let(i32x4.splat(cell));
        const address = f.let(f.i32.add(stage.output(1), to));
        bests.forEach((best, v) => storeLanes(f, address, i32x4.add(best.cell, first), lanesOf(spot, v), v * VECTOR_BYTES));
      } else if (wantsWinner) {
        const bytes = typeof channel === 'number' ? channel >> 2 : f.i32.shrU(channel, 2);
        storePlaces(
          f,
          f.let(f.i32.add(stage.output(1), f.i32.add(f.i32.mul(window(), placeBytes(plane.channels)), bytes))),
          bests.map((best) => best.cell),
        );
      }
      if (wantsValue)
        stage.storeAll(
          bests.map(({ value }) => value),
          { at: to, channel },
          lanes,
        );
    };
    const take = (best: Best, value: Local<'v128'>, cell: V128): void => {
      if (wantsWinner) f.set(best.cell, i32x4.select(f32x4.gt(value, best.value), cell, best.cell));
      f.set(best.value, f32x4.pmax(best.value, value));
    };
    return {
      run: (spot, windowRows, writes) => {
        const vectors = vectorsOf(spot);
        const sums: Local<'v128'>[] = [];
        const read = <T>(tap: Tap, body: (value: Local<'v128'>, vector: number) => T): readonly T[] =>
          readTap(spot, tap.cell).map((loaded, vector) => {
            const value = f.let(loaded);
            const sum = sums[vector];
            if (tap.isNew && sum) f.set(sum, plus(value, sum));
            else if (tap.isNew) sums[vector] = f.let(value);
            return body(value, vector);
          });
        const add = (bests: readonly Best[], some: readonly Tap[]): void => {
          for (const tap of some) read(tap, (value, vector) => take(bests[vector]!, value, numbers[tap.index] ?? bests[vector]!.cell));
        };
        const bestOf = ([first, ...others]: readonly Tap[]): readonly Best[] => {
          const bests = read(first!, (value): Best => ({ value: f.let(value), cell: f.local.v128(numbers[first!.index] ?? 0) }));
          add(bests, others);
          return bests;
        };
        const load = (slot: number): readonly Best[] =>
          vectors.map((vector) => {
            const number = (n: number): Local<'v128'> => {
              const { address, offset } = spot.kept(slot, n, vector);
              return f.let(v128.load(address, offset));
            };
            return { value: number(0), cell: wantsWinner ? number(1) : f.local.v128() };
          });
        const save = (slot: number, best: Best, vector: number, shift: number): void => {
          [best.value, ...(wantsWinner ? [i32x4.sub(best.cell, shift)] : [])].forEach((value, n) => {
            const { address, offset } = spot.kept(slot, n, vector);
            v128.store(address, value, offset);
          });
        };
        let bests: readonly Best[] | null = null;
        for (const { from, to, taps: some } of windowRows) {
          if (bests && from === null && to === null) {
            add(bests, some);
            continue;
          }
          const own = from === null ? bestOf(some) : load(from);
          if (to !== null) own.forEach((best, vector) => save(to, best, vector, writes ? below : 0));
          bests?.forEach((best, vector) => take(best, own[vector]!.value, own[vector]!.cell));
          bests ??= own;
        }
        if (writes) write(spot, bests!);
        const totals: readonly V128[] = sums;
        if (totals.length > 0) inspect(totals.reduce((a, b) => f32x4.add(a, b)));
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
        write(spot, [best]);
      },
      edge: (spot) => write(spot, [emitExact(stage, spot, winners)]),
      check: { begin: () => f.set(isSpoilt, 0), failed: () => v128.anyTrue(isSpoilt) },
    };
  });
}

/** Writes the places of neighbouring vectors, a byte to a channel. */
function storePlaces(f: FunctionBuilder, address: Local<'i32'>, places: readonly Local<'v128'>[]): void {
  for (let vector = 0; vector < places.length;) {
    const four = places.slice(vector, vector + 4);
    if (four.length === 4) f.v128.store(address, packed(four), vector * 4, 1);
    else four.forEach((place, i) => f.v128.store32Lane(address, packed([place, place, place, place]), 0, (vector + i) * 4, 1));
    vector += four.length;
  }
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
