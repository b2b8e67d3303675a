import { atMost, forPiece, loadPack, storeLanes, wasmKernel, type Lanes, type Stage, type WasmSite } from '@shoal/backend-wasm';
import { apply1, nhwc, type Op, type Shape } from '@shoal/core';
import { conv2dGradientWeight, type Conv2dGradientWeightAttributes } from '../conv2d.ts';
import { conv2dGeometry, type Conv2dGeometry } from '../geometry.ts';
import { isDepthwise } from './depthwise.ts';
import { unpadded, type GradientWay } from './gradient-weight.ts';
import { range } from './taps.ts';

/** Cells that one float32 sum adds up before it joins the total. */
const chain = 1024;
/** Vectors of channels that a tile has at most: a cache line of each cell. */
const mostVectors = 4;
/** Tiles that the stage aims at where there are channels enough. */
const tilesWanted = 8;
/** Bytes of the input that one block of rows keeps in the first-level cache. */
const blockBytes = 24_000;
/** Taps whose sums stay in registers. */
const tapsAtOnce = 9;

/** {@link conv2dGradientWeight} of a padded input, each channel by itself. */
const depthwiseGradientWeight: Op<Conv2dGradientWeightAttributes> = {
  ...conv2dGradientWeight,
  name: 'conv/wasm-depthwise-gradient-weight',
};

const geometryOf = (inputShape: Shape, attributes: Conv2dGradientWeightAttributes): Conv2dGeometry =>
  conv2dGeometry(depthwiseGradientWeight.name, inputShape, attributes.weightShape, attributes);

export const applyDepthwiseGradient: GradientWay = (gradient) => {
  if (!isDepthwise(geometryOf(gradient.x.shape, gradient.convolution))) return null;
  const { x, dy, convolution } = unpadded(gradient);
  return apply1(depthwiseGradientWeight, [x, dy], convolution);
};

/**
 * dW[r, s, c] is the sum over all cells p of x[p + (r, s), c] * dy[p, c]. One tile is a few channels and up to nine taps, over all cells;
 * the input is padded already. Cells go by in blocks of rows: a block's sums stay in registers, and join the totals at its end.
 */
export const depthwiseGradientWeightWasm = wasmKernel(depthwiseGradientWeight, emitDepthwiseGradientWeight);

function emitDepthwiseGradientWeight(site: WasmSite<Conv2dGradientWeightAttributes>): void {
  const { attributes, inputs, engine } = site;
  const { batch, output, channels } = geometryOf(inputs[0]!.shape, attributes);
  const { window, stride, dilation } = attributes;
  const [, height, width] = nhwc(depthwiseGradientWeight.name, inputs[0]!.shape);
  const cell = channels * 4;
  const line = width * cell;
  const unit = engine.wide ? 2 : 1;
  const vectors = Math.max(unit, Math.min(mostVectors, Math.ceil(Math.ceil(channels / 4) / tilesWanted)));
  const blocks = Math.ceil(channels / (vectors * 4));
  const rowsThatFit = Math.floor((blockBytes / (mostVectors * 16 * width) - window.height) / stride.height) + 1;
  const rows = Math.max(1, Math.min(rowsThatFit, Math.floor(chain / output.width)));
  const taps = range(window.height).flatMap((r) =>
    range(window.width).map((s) => ({
      source: r * dilation.height * line + s * dilation.width * cell,
      target: (r * window.width + s) * cell,
    })),
  );
  const totals = site.scratch(tapsAtOnce * mostVectors * 16, { perThread: true });
  for (let first = 0; first < taps.length; first += tapsAtOnce) {
    const group = taps.slice(first, first + tapsAtOnce);
    site.stage({ tiles: blocks }, (stage: Stage) => {
      const { f, tile } = stage;
      const { i32, f32x4, v128 } = f;
      const channel = f.let(i32.mul(tile, vectors * 16));
      const total = stage.scratch(totals);
      const totalOf = (tap: number, vector: number): number => (tap * mostVectors + vector) * 16;
      f.memory.fill(total, 0, tapsAtOnce * mostVectors * 16);
      const dy = f.let(i32.add(stage.input(1), channel));
      const [image, block] = [f.local.i32(), f.local.i32()];
      f.for(image, 0, batch, 1, () => {
        const x = f.let(i32.add(i32.add(stage.input(0), channel), i32.mul(image, height * line)));
        f.for(block, 0, output.height, rows, () => {
          const count = f.let(i32.sub(atMost(f, i32.add(block, rows), output.height), block));
          for (let vector = 0; vector < vectors; vector += unit) {
            f.temporaries(() => {
              const sums = group.map(() => range(unit).map(() => f.local.v128(0)));
              const [from, other, i, j] = [f.let(i32.add(x, vector * 16)), f.let(i32.add(dy, vector * 16)), f.local.i32(), f.local.i32()];
              f.for(i, 0, count, 1, () => {
                const at = f.let(from);
                f.for(j, 0, output.width, 1, () => {
                  f.temporaries(() => {
                    const d = loadPack(f, other, 0, unit);
                    group.forEach(({ source }, tap) => {
                      const value = loadPack(f, at, source, unit);
                      sums[tap]!.forEach((sum, v) => f.set(sum, f32x4.madd(value[v]!, d[v]!, sum)));
                    });
                  });
                  f.set(at, i32.add(at, stride.width * cell));
                  f.set(other, i32.add(other, cell));
                });
                f.set(from, i32.add(from, stride.height * line));
              });
              sums.forEach((ofTap, tap) => {
                const old = loadPack(f, total, totalOf(tap, vector), unit);
                const next = ofTap.map((sum, v) => f.let(f32x4.add(old[v]!, sum)));
                next.forEach((value, v) => v128.store(total, value, totalOf(tap, vector + v)));
              });
            });
          }
          f.set(x, i32.add(x, i32.mul(count, stride.height * line)));
          f.set(dy, i32.add(dy, i32.mul(count, output.width * cell)));
        });
      });
      const to = f.let(i32.add(stage.output(0), channel));
      forPiece(f, { total: channels, size: vectors * 4, isLast: () => i32.eq(tile, blocks - 1) }, (count) =>
        group.forEach(({ target }, tap) => {
          for (let lane = 0; lane < count; lane += 4) {
            const value = v128.load(total, totalOf(tap, lane / 4));
            storeLanes(f, to, value, Math.min(4, count - lane) as Lanes, target + lane * 4);
          }
        }),
      );
    });
  }
}
