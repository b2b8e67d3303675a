import {
  ELEMENTWISE_GRAIN,
  forLanes,
  forUnits,
  storeLanes,
  tilesFor,
  VECTOR_BYTES,
  wasmKernel,
  type Stage,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { apply1, attributeKey } from '@shoal/core';
import { maxPoolGather, maxPoolGradient } from '../max-pool.ts';
import type { PoolGradientAttributes } from '../window.ts';
import { planeOf } from './axis.ts';
import { emitCells, type Cell, type Window, type WindowOperand } from './cells.ts';
import { maxPoolPlacesGradient, placeBytes, unpacked, winnersOp } from './places.ts';
import { gatherLanes, planeOffsets } from './scattered.ts';

/** Numbers of cells that are kept in locals. */
const mostHeld = 9;

/** Every cell looks at the windows it is in, and adds up those it won. `wonOf` gives masks of the channels of its vectors in which it did. */
function emitGradient(
  site: WasmSite<PoolGradientAttributes>,
  winners: WindowOperand,
  wonOf: (stage: Stage) => (cell: Cell, window: Window) => readonly V128[],
): void {
  const operands = [{ bytes: site.outputs[0]!.shape.at(-1)! * 4, shift: 0 }, winners];
  emitCells(
    site,
    operands,
    ({ outputs }) => ({ from: 0, to: outputs }),
    (stage) => {
      const { f, loadAll, storeAll } = stage;
      const masks = wonOf(stage);
      return (cell) => {
        const { place, vectors, lanes, written, forWindows } = cell;
        const sums: Local<'v128'>[] = written ? [] : vectors.map(() => f.local.v128(0));
        forWindows((window) => {
          const { at, offset } = window.places[0]!;
          const bytes = vectors[0]! * VECTOR_BYTES;
          const dy = window.once(`dy ${vectors[0]}`, () =>
            loadAll(0, { at, offset: offset + bytes, channel: place.channel, channelOffset: bytes }, vectors.length).map((v) => f.let(v)),
          );
          masks(cell, window).forEach((mask, i) => {
            const won = f.v128.and(dy[i]!, mask);
            if (sums[i]) f.set(sums[i], f.f32x4.add(sums[i], won));
            else sums[i] = f.let(won);
          });
        });
        storeAll(sums.length > 0 ? sums : vectors.map(() => f.f32x4.const(0, 0, 0, 0)), place, lanes);
      };
    },
  );
}

/** Of winners that are cells of the plane. Those of a max pooling of this backend are places in windows: see {@link placesGradientWasm}. */
export const maxPoolGradientWasm = wasmKernel(
  maxPoolGradient,
  (site) => {
    const winners = { bytes: site.outputs[0]!.shape.at(-1)! * 4, shift: 0 };
    emitGradient(site, winners, ({ f, input }) => ({ number, vectors }, { places, once }) => {
      const own = once(`winners ${vectors[0]}`, () => {
        const { at, offset } = places[1]!;
        const address = f.let(f.i32.add(input(1), at));
        return vectors.map((vector) => f.let(f.v128.load(address, offset + vector * VECTOR_BYTES, 4)));
      });
      return own.map((winner) => f.i32x4.eq(winner, number()));
    });
  },
  {
    fusion: { epilogue: true, load: { 0: 'masked' } },
    lower: ([dy, winner], attributes) => {
      const { node } = winner!;
      const isOwn =
        node?.op.name === winnersOp.name && attributeKey(node.attributes) === attributeKey({ ...attributes, pooled: dy!.shape });
      return isOwn ? [apply1(maxPoolPlacesGradient, [dy!, node.inputs[0]!], attributes)] : null;
    },
  },
);

/** The same of places: a byte to a channel, which is compared with the number of the cell in the window. */
export const placesGradientWasm = wasmKernel(
  maxPoolPlacesGradient,
  (site) => {
    const { window } = site.attributes;
    emitGradient(site, { bytes: placeBytes(site.outputs[0]!.shape.at(-1)!), shift: 2 }, ({ f, input }) => {
      const { i32x4, v128 } = f;
      // In locals, because the engine builds a vector constant anew wherever one stands.
      const numbers = Array.from({ length: window.height * window.width }, (_, tap) => i32x4.const(tap, tap, tap, tap));
      const held = numbers.slice(0, mostHeld).map((number) => f.let(number));
      return ({ vectors }, { places, tap, once }) => {
        const own = once(`places ${vectors[0]}`, () => {
          const { at, offset } = places[1]!;
          const sixteen = vectors[0]! >> 2;
          const bytes = once(`sixteen ${sixteen}`, () => f.let(v128.load(f.i32.add(input(1), at), offset + sixteen * VECTOR_BYTES, 1)));
          return unpacked(
            f,
            bytes,
            vectors.map((vector) => vector % 4),
          ).map((place) => f.let(place));
        });
        return own.map((place) => i32x4.eq(place, typeof tap !== 'number' ? i32x4.splat(tap()) : (held[tap] ?? numbers[tap]!)));
      };
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

/** Reads the winners of each window, one channel at a time. */
export const maxPoolGatherWasm = wasmKernel(maxPoolGather, (site) => {
  const { attributes, outputs } = site;
  const { batch, channels, rows, columns } = planeOf(attributes.inputShape, outputs[0]!.shape, attributes);
  const windows = rows.outputs * columns.outputs;
  const cells = rows.size * columns.size;
  const { tiles, perTile } = tilesFor(batch * windows, channels, ELEMENTWISE_GRAIN);
  site.stage({ tiles: channels === 0 ? 0 : tiles }, (stage) => {
    const { f } = stage;
    const { i32, i32x4, v128 } = f;
    forUnits(stage, batch * windows, perTile, (window) => {
      const plane = f.let(i32.add(stage.input(0), i32.mul(i32.divU(window, windows), cells * channels * 4)));
      forLanes(f, channels, (channel, lanes) => {
        const at = f.let(i32.add(i32.mul(window, channels * 4), channel));
        // Never outside the plane, whatever the winner says.
        const winner = i32x4.minU(v128.load(i32.add(stage.input(1), at), 0, 4), cells - 1);
        const offsets = planeOffsets(f, winner, channels, channel);
        storeLanes(f, i32.add(stage.output(0), at), gatherLanes(f, plane, offsets, lanes), lanes);
      });
    });
  });
});
