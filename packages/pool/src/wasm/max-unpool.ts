import { ELEMENTWISE_GRAIN, forLanes, forUnits, storeLanes, tilesFor, wasmKernel } from '@shoal/backend-wasm';
import type { Local } from '@shoal/backend-wasm/encoder';
import { nhwc } from '@shoal/core';
import { maxUnpool, maxUnpoolGradient } from '../max-unpool.ts';
import { gatherLanes, planeOffsets } from './scattered.ts';

/** Channels of a tile: a cache line. */
const line = 16;

/**
 * A tile owns some channels of one image: it clears them, and then puts the values in their order, so that of several values for one
 * cell the last stays.
 */
export const maxUnpoolWasm = wasmKernel(maxUnpool, ({ inputs, attributes: { output }, wanted, stage: addStage }) => {
  const [batch, height, width, channels] = nhwc(maxUnpool.name, inputs[0]!.shape);
  const [from, cells] = [height * width, output.height * output.width];
  const parts = Math.ceil(channels / line);
  addStage({ tiles: batch * parts }, (stage) => {
    const { f, tile, input } = stage;
    const { i32, i32x4, v128 } = f;
    const image = f.let(i32.divU(tile, parts));
    const part = (count: number): void => {
      const first = f.let(i32.mul(i32.remU(tile, parts), line * 4));
      const target = f.let(i32.add(i32.mul(image, cells * channels * 4), first));
      const planes = [
        ...(wanted[0] ? [{ address: f.let(i32.add(stage.output(0), target)), empty: 0 }] : []),
        ...(wanted[1] ? [{ address: f.let(i32.add(stage.output(1), target)), empty: -1 }] : []),
      ];
      const at = f.local.i32();
      f.for(at, 0, cells * channels * 4, channels * 4, () =>
        forLanes(f, count, (channel, lanes) => {
          for (const { address, empty } of planes) {
            storeLanes(f, f.let(i32.add(i32.add(address, at), channel)), i32x4.const(empty, empty, empty, empty), lanes);
          }
        }),
      );
      const source = f.let(i32.add(i32.mul(image, from * channels * 4), first));
      const cell = f.local.i32();
      f.for(cell, 0, from, 1, () => {
        forLanes(f, count, (channel, lanes) => {
          const winners = f.let(v128.load(i32.add(input(1), i32.add(source, channel)), 0, 4));
          const value = f.let(v128.load(i32.add(input(0), i32.add(source, channel)), 0, 4));
          const offsets = planeOffsets(f, winners, channels, channel);
          for (let lane = 0; lane < lanes; lane++) {
            f.if(i32.ltU(i32x4.extractLane(winners, lane), cells), () => {
              const place = (address: Local<'i32'>) => i32.add(address, i32x4.extractLane(offsets, lane));
              if (wanted[0]) v128.store32Lane(place(planes[0]!.address), value, lane);
              if (wanted[1]) i32.store(place(planes.at(-1)!.address), cell);
            });
          }
        });
        f.set(source, i32.add(source, channels * 4));
      });
    };
    const rest = channels % line;
    if (rest === 0) part(line);
    else if (parts === 1) part(rest);
    else
      f.if(
        i32.eq(i32.remU(tile, parts), parts - 1),
        () => part(rest),
        () => part(line),
      );
  });
});

/** Each value reads the cell it was put in, if it is still there. */
export const maxUnpoolGradientWasm = wasmKernel(
  maxUnpoolGradient,
  ({ inputs, outputs, stage: addStage }) => {
    const [batch, height, width, channels] = nhwc(maxUnpoolGradient.name, outputs[0]!.shape);
    const [, planeHeight, planeWidth] = nhwc(maxUnpoolGradient.name, inputs[0]!.shape);
    const [values, cells] = [height * width, planeHeight * planeWidth];
    const { tiles, perTile } = tilesFor(batch * values, channels, ELEMENTWISE_GRAIN);
    addStage({ tiles: channels === 0 ? 0 : tiles }, (stage) => {
      const { f, input } = stage;
      const { i32, i32x4, v128 } = f;
      forUnits(stage, batch * values, perTile, (unit) => {
        const plane = f.let(i32.mul(i32.divU(unit, values), cells * channels * 4));
        const [dy, source] = [f.let(i32.add(input(0), plane)), f.let(i32.add(input(2), plane))];
        const position = f.let(i32x4.splat(i32.remU(unit, values)));
        forLanes(f, channels, (channel, lanes) => {
          const at = f.let(i32.add(i32.mul(unit, channels * 4), channel));
          const winner = f.let(v128.load(i32.add(input(1), at), 0, 4));
          const isInside = i32x4.ltU(winner, cells);
          const offsets = planeOffsets(f, i32x4.minU(winner, cells - 1), channels, channel);
          const isKept = v128.and(i32x4.eq(gatherLanes(f, source, offsets, lanes), position), isInside);
          stage.store(v128.and(gatherLanes(f, dy, offsets, lanes), isKept), { at, channel }, lanes);
        });
      });
    });
  },
  { fusion: { epilogue: true } },
);
