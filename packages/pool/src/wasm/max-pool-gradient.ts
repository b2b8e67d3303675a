import { ELEMENTWISE_GRAIN, forLanes, forUnits, storeLanes, tilesFor, wasmKernel } from '@shoal/backend-wasm';
import { maxPoolGather, maxPoolGradient } from '../max-pool.ts';
import { emitCells } from './cells.ts';
import { planeOf } from './axis.ts';
import { gatherLanes, planeOffsets } from './scattered.ts';

/** Every cell looks at the windows it is in, and adds up those it won. */
export const maxPoolGradientWasm = wasmKernel(
  maxPoolGradient,
  (site) => {
    emitCells(
      site,
      ({ outputs }) => ({ from: 0, to: outputs }),
      ({ f, input, load, store }) =>
        ({ cell, to, channel, lanes, forWindows }) => {
          const { i32, i32x4, f32x4, v128 } = f;
          const own = f.let(i32x4.splat(cell));
          const sum = f.local.v128(0);
          forWindows(({ at, offset }) => {
            const won = i32x4.eq(v128.load(i32.add(input(1), at), offset, 4), own);
            f.set(sum, f32x4.add(sum, v128.and(load(0, { at, offset, channel }), won)));
          });
          store(sum, { at: to, channel }, lanes);
        },
    );
  },
  { fusion: { epilogue: true } },
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
