import { ELEMENTWISE_GRAIN, forLanes, forUnits, storeLanes, tilesFor, wasmKernel } from '@shoal/backend-wasm';
import { i16x8, i8x16 } from '@shoal/backend-wasm/encoder';
import type { FunctionBuilder, I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { nhwc, type Op, type Shape } from '@shoal/core';
import { maxPool } from '../max-pool.ts';
import type { PoolAttributes, PoolGradientAttributes } from '../window.ts';
import { planeOf, type Axis } from './axis.ts';

/** Whether a place in the window fits into a byte. */
export const fitsByte = ({ window }: PoolAttributes): boolean => window.height * window.width <= 256;

/** Four bytes to a word, each the place of a channel's winner in its window: row-major, from 0. */
const placesShape = ([n, height, width, channels]: Shape): Shape => [n!, height!, width!, Math.ceil(channels! / 4)];

/** Bytes of the places of one window. */
export const placeBytes = (channels: number): number => Math.ceil(channels / 4) * 4;

/** {@link maxPool}, with a byte for each winner: its place in the window. Backward ops need no more. */
export const maxPoolPlaces: Op<PoolAttributes> = {
  name: 'pool/wasm-max',
  infer(inputs, attributes) {
    const [y] = maxPool.infer(inputs, attributes);
    return [y!, { shape: placesShape(y!.shape), dtype: 'u32' }];
  },
  vjp: { none: 'gradients are built before the ops of a backend are' },
  cost: (site) => maxPool.cost(site),
};

/** The winners as {@link maxPool} gives them, of places: for whoever reads them but the gradient. */
export const winnersOp: Op<PoolGradientAttributes & { readonly pooled: Shape }> = {
  name: 'pool/wasm-winners',
  infer: (_, { pooled }) => [{ shape: pooled, dtype: 'i32' }],
  vjp: { none: 'winners are whole numbers' },
  cost: () => ({}),
};

/** The gradient of {@link maxPoolPlaces}: `dy` [n, oh, ow, c] and places to `dx` [n, h, w, c]. */
export const maxPoolPlacesGradient: Op<PoolGradientAttributes> = {
  name: 'pool/wasm-max-gradient',
  infer: (_, { inputShape }) => [{ shape: inputShape, dtype: 'f32' }],
  vjp: { none: 'gradients are built before the ops of a backend are' },
  cost: () => ({}),
};

/** Keeps the low bytes of the numbers in four vectors. */
export function packed([a, b, c, d]: readonly Local<'v128'>[]): V128 {
  return i8x16.narrowI16x8U(i16x8.narrowI32x4U(a!, b!), i16x8.narrowI32x4U(c!, d!));
}

/** The bytes of some vectors of four, neighbours in one half of them, as numbers. */
export function unpacked(f: FunctionBuilder, bytes: Local<'v128'>, vectors: readonly number[]): readonly V128[] {
  const halves = f.let(vectors[0]! < 2 ? i16x8.extendLowI8x16U(bytes) : i16x8.extendHighI8x16U(bytes));
  return vectors.map((vector) => (vector % 2 === 0 ? f.i32x4.extendLowI16x8U(halves) : f.i32x4.extendHighI16x8U(halves)));
}

/** The place's row and column in the window, in cells of the plane, from the window's first cell. */
export const winnersWasm = wasmKernel(winnersOp, ({ attributes, outputs, stage: addStage }) => {
  const [batch, height, width, channels] = nhwc(winnersOp.name, outputs[0]!.shape);
  const { rows, columns } = planeOf(attributes.inputShape, outputs[0]!.shape, attributes);
  const { tiles, perTile } = tilesFor(batch * height * width, channels, ELEMENTWISE_GRAIN);
  addStage({ tiles: channels === 0 ? 0 : tiles }, (stage) => {
    const { f, input, output } = stage;
    const { i32, i32x4, f32x4, v128 } = f;
    forUnits(stage, batch * height * width, perTile, (window) => {
      const inImage = f.let(i32.remU(window, height * width));
      const start = ({ stride, before }: Axis, position: I32): I32 => i32.sub(i32.mul(position, stride), before);
      const top = i32.mul(start(rows, i32.divU(inImage, width)), columns.size);
      const first = f.let(i32x4.splat(i32.add(top, start(columns, i32.remU(inImage, width)))));
      forLanes(f, channels, (channel, lanes) => {
        const bytes = typeof channel === 'number' ? channel >> 2 : i32.shrU(channel, 2);
        const at = i32.add(i32.add(input(0), i32.mul(window, placeBytes(channels))), bytes);
        const place = f.let(unpacked(f, f.let(v128.load32Zero(at)), [0])[0]!);
        // Below 2^8 a quotient in float32 is exact enough to be cut off: half a step is added.
        const row = f.let(i32x4.truncSatF32x4S(f32x4.div(f32x4.add(f32x4.convertI32x4S(place), 0.5), columns.window)));
        const column = i32x4.sub(place, i32x4.mul(row, columns.window));
        const cell = i32x4.add(i32x4.mul(row, rows.dilation * columns.size), i32x4.mul(column, columns.dilation));
        storeLanes(f, i32.add(output(0), i32.add(i32.mul(window, channels * 4), channel)), i32x4.add(first, cell), lanes);
      });
    });
  });
});
