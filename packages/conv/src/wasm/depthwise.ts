import { atMost, forLanes, forPiece, storeLanes, wasmKernel, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { I32, Local, V128 } from '@shoal/backend-wasm/encoder';
import { nhwc, type Op } from '@shoal/core';
import type { Conv2dGradientWeightAttributes } from '../conv2d.ts';
import type { Conv2dGeometry } from '../geometry.ts';
import { tapConvolution, type TapAttributes } from './taps.ts';

/** Each channel by itself: nothing is summed over channels, so vectors run along them and weights need no packing. */
export const isDepthwise = ({ channelsPerGroup, outputChannelsPerGroup }: Conv2dGeometry): boolean =>
  channelsPerGroup === 1 && outputChannelsPerGroup === 1;

/** A planned convolution of each channel by itself. Inputs: the padded source, the weight [kh, kw, 1, c] and, optionally, a bias. */
export const depthwiseTaps: Op<TapAttributes> = { ...tapConvolution, name: 'conv/wasm-depthwise-taps' };

export const depthwiseTapsWasm = wasmKernel(depthwiseTaps, emitDepthwise, { fusion: { epilogue: true } });

/** One tile is one row of the output, all channels. */
function emitDepthwise(site: WasmSite<TapAttributes>): void {
  const { attributes, inputs, outputs } = site;
  const { sourceStep, targetStep, weightShape } = attributes;
  const [batch, height, width, channels] = nhwc(depthwiseTaps.name, inputs[0]!.shape);
  const [, outputHeight, outputWidth] = nhwc(depthwiseTaps.name, outputs[0]!.shape);
  const cell = channels * 4;
  for (const { grid, target, source, rows, columns, weightRows, weightColumns } of attributes.phases) {
    site.stage({ tiles: batch * grid.height }, ({ f, tile, input, store }) => {
      const { i32, f32x4, v128 } = f;
      const image = f.let(i32.divU(tile, grid.height));
      const row = f.let(i32.remU(tile, grid.height));
      const from = f.let(
        i32.add(
          i32.mul(image, height * width * cell),
          i32.add(i32.mul(row, sourceStep.height * width * cell), (source.row * width + source.column) * cell),
        ),
      );
      const to = f.let(
        i32.add(
          i32.mul(image, outputHeight * outputWidth * cell),
          i32.add(i32.mul(row, targetStep.height * outputWidth * cell), (target.row * outputWidth + target.column) * cell),
        ),
      );
      const taps = weightRows.flatMap((weightRow, r) =>
        weightColumns.map((weightColumn, s) => ({
          source: (r * rows.step * width + s * columns.step) * cell,
          weight: (weightRow * weightShape[1]! + weightColumn) * cell,
        })),
      );
      forLanes(f, channels, (channel, lanes) => {
        const at = f.let(i32.add(i32.add(input(0), from), channel));
        const weight = f.let(i32.add(input(1), channel));
        const place = f.let(i32.add(to, channel));
        const bias = inputs.length > 2 ? f.let(v128.load(i32.add(input(2), channel), 0, 4)) : null;
        const column = f.local.i32();
        f.for(column, 0, grid.width, 1, () => {
          const sum = f.local.v128(bias ?? 0);
          for (const tap of taps) f.set(sum, f32x4.madd(v128.load(at, tap.source, 4), v128.load(weight, tap.weight, 4), sum));
          store(sum, { at: place, channel }, lanes);
          f.set(at, i32.add(at, sourceStep.width * cell));
          f.set(place, i32.add(place, targetStep.width * cell));
        });
      });
    });
  }
}

/** Cells that one float32 sum adds up before it joins the total. */
const chain = 1024;

/** One tile is one tap and one vector of channels; the input is padded already. */
export function emitDepthwiseGradientWeight(
  site: WasmSite<Conv2dGradientWeightAttributes>,
  { batch, output, channels }: Conv2dGeometry,
): void {
  const { attributes, inputs } = site;
  const { window, stride, dilation } = attributes;
  const [, height, width] = nhwc(depthwiseTaps.name, inputs[0]!.shape);
  const cell = channels * 4;
  const vectors = Math.ceil(channels / 4);
  const rowsPerChain = Math.max(1, Math.floor(chain / output.width));
  site.stage({ tiles: window.height * window.width * vectors }, ({ f, tile, input, output: target }: Stage) => {
    const { i32, f32x4, v128 } = f;
    const tap = f.let(i32.divU(tile, vectors));
    const channel = f.let(i32.shl(i32.remU(tile, vectors), 4));
    const row = i32.mul(i32.divU(tap, window.width), dilation.height * width * cell);
    const column = i32.mul(i32.remU(tap, window.width), dilation.width * cell);
    const x = f.let(i32.add(i32.add(input(0), channel), i32.add(row, column)));
    const dy = f.let(i32.add(input(1), channel));
    const [total, image, block, i, j] = [f.local.v128(0), f.local.i32(), f.local.i32(), f.local.i32(), f.local.i32()];
    f.for(image, 0, batch, 1, () => {
      const line = f.let(i32.add(x, i32.mul(image, height * width * cell)));
      f.for(block, 0, output.height, rowsPerChain, () => {
        const end = f.let(atMost(f, i32.add(block, rowsPerChain), output.height));
        const sum = f.local.v128(0);
        f.for(i, block, end, 1, () => {
          const at = f.let(line);
          f.for(j, 0, output.width, 1, () => {
            f.set(sum, f32x4.madd(v128.load(at, 0, 4), v128.load(dy, 0, 4), sum));
            f.set(at, i32.add(at, stride.width * cell));
            f.set(dy, i32.add(dy, cell));
          });
          f.set(line, i32.add(line, stride.height * width * cell));
        });
        f.set(total, f32x4.add(total, sum));
      });
    });
    storeChannels(f, i32.add(target(0), i32.add(i32.mul(tap, cell), channel)), total, tile, channels, vectors);
  });
}

/** Writes a vector of channels; the last vector may be cut short. */
function storeChannels(
  f: Stage['f'],
  address: Parameters<typeof storeLanes>[1],
  value: V128,
  tile: Local<'i32'>,
  channels: number,
  vectors: number,
): void {
  const at = typeof address === 'number' || address.leaf ? address : f.let(address);
  const isLast = (): I32 => f.i32.eq(f.i32.remU(tile, vectors), vectors - 1);
  forPiece(f, { total: channels, size: 4, isLast }, (lanes) => storeLanes(f, at, value, lanes as Lanes));
}
