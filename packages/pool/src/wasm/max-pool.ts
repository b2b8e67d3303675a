import { storeLanes, wasmKernel, type Stage } from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { maxPool } from '../max-pool.ts';
import { planeOf } from './axis.ts';
import { emitWindows, forCells, isUnrolled, readTap, tapsOf, type Spot, type Tap } from './windows.ts';

/** The best value so far, and its cell, counted from the window's first cell. */
interface Best {
  readonly value: Local<'v128'>;
  readonly cell: Local<'v128'>;
}

/**
 * `pmax` forgets a NaN that comes second, and comparisons are blind to them. Beside the maximum the fast form adds up what it reads, at
 * one instruction a cell, and a cell that the next window reads too is left to that one: a row of windows whose sums are numbers has no
 * NaN in it. Any other row (a NaN, or infinities of both signs) is done again by {@link emitExact}.
 */
export const maxPoolWasm = wasmKernel(
  maxPool,
  (site) => {
    const [wantsValue, wantsWinner] = site.wanted;
    const unrolled = isUnrolled(site);
    const plane = planeOf(site.inputs[0]!.shape, site.outputs[0]!.shape, site.attributes);
    const { stride, dilation } = plane.columns;
    const taps = tapsOf(plane);
    const isLeft = ({ column }: Tap): boolean => unrolled && dilation === 1 && column >= stride;
    emitWindows(site, (stage) => {
      const { f } = stage;
      const { f32x4, i32x4, v128 } = f;
      const isSpoilt = f.local.v128(0);
      const inspect = (sum: V128): void => {
        const held = f.let(sum);
        f.set(isSpoilt, v128.or(isSpoilt, f32x4.ne(held, held)));
      };
      // In locals, because the engine builds a vector constant anew wherever one stands.
      const numbers = unrolled && wantsWinner ? taps.map(({ cell }) => f.local.v128(i32x4.const(cell, cell, cell, cell))) : [];
      const write = ({ cell, to, channel, lanes }: Spot, best: Best): void => {
        if (wantsWinner) storeLanes(f, f.i32.add(stage.output(1), to), i32x4.add(best.cell, i32x4.splat(cell)), lanes);
        if (wantsValue) stage.store(best.value, { at: to, channel }, lanes);
      };
      const take = (best: Best, value: Local<'v128'>, cell: V128): void => {
        if (wantsWinner) f.set(best.cell, i32x4.select(f32x4.gt(value, best.value), cell, best.cell));
        f.set(best.value, f32x4.pmax(best.value, value));
      };
      const whole = (spot: Spot): void => {
        if (unrolled) {
          const value = f.let(readTap(spot, taps[0]!));
          const best: Best = { value: f.let(value), cell: f.local.v128(0) };
          const sum = f.let(value);
          for (const tap of taps.slice(1)) {
            const next = f.let(readTap(spot, tap));
            take(best, next, numbers[tap.index] ?? next);
            if (!isLeft(tap)) f.set(sum, f32x4.add(sum, next));
          }
          inspect(sum);
          write(spot, best);
        } else {
          const best: Best = { value: f.local.v128(f32x4.splat(-Infinity)), cell: f.local.v128(0) };
          const sum = f.local.v128(0);
          forCells(spot, (read, cell) => {
            const next = f.let(read);
            take(best, next, i32x4.splat(cell));
            f.set(sum, f32x4.add(sum, next));
          });
          inspect(sum);
          write(spot, best);
        }
      };
      return {
        whole,
        edge: (spot) => write(spot, emitExact(stage, spot)),
        check: {
          begin: () => f.set(isSpoilt, 0),
          last: (spot) => {
            const left = taps.filter(isLeft).map((tap) => readTap(spot, tap));
            if (left.length > 0) inspect(left.reduce((sum, value) => f32x4.add(sum, value)));
          },
          failed: () => v128.anyTrue(isSpoilt),
        },
      };
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

/** The first NaN wins, otherwise the first maximum; the first cell beats nothing. */
function emitExact({ f }: Stage, spot: Spot): Best {
  const { f32x4, i32x4, v128 } = f;
  const best: Best = { value: f.local.v128(f32x4.splat(-Infinity)), cell: f.local.v128(i32x4.const(-1, -1, -1, -1)) };
  forCells(spot, (read, cell) => {
    const value = f.let(read);
    const isFirstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(best.value, best.value));
    const wins = f.let(v128.or(v128.or(f32x4.gt(value, best.value), isFirstNaN), i32x4.eq(best.cell, -1)));
    f.set(best.value, f32x4.select(wins, value, best.value));
    f.set(best.cell, i32x4.select(wins, i32x4.splat(cell), best.cell));
  });
  return best;
}
