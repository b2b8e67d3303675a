import { VECTOR_BYTES, wasmKernel } from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { batchNormGradient } from '../batch-norm.ts';
import {
  emitApply,
  emitBlocks,
  forBlocks,
  halves,
  join,
  rowsOf,
  scratchFor,
  storeChannels,
  writeFactors,
  type Rows,
  type Totals,
} from './rows.ts';

/** Tensors that are counted for a gradient that is computed as it is read: two that are added, and a mask. */
const fusedTensors = 3;

/** The sums over the batch, then each element by itself: dx = scale (dy - mean(dy) - (x - mean) slope). */
export const batchNormGradientWasm = wasmKernel(
  batchNormGradient,
  (site) => {
    const plan = rowsOf(site, 1 + (site.fused[4] ? fusedTensors : 1));
    const { epsilon } = site.attributes;
    const sums = { blocks: plan.blocks, numbers: 2 };
    const partial = scratchFor(site, plan, sums);
    const factors = site.scratch(4 * plan.vectorBytes);
    emitBlocks(site, plan, { partial, sums }, products(plan));
    site.stage({ tiles: plan.vectorBytes / VECTOR_BYTES }, (stage) => {
      const { f, tile } = stage;
      const { f64x2 } = f;
      const channel = f.let(f.i32.shl(tile, 4));
      const vector = (index: number): Local<'v128'> => f.let(f.v128.load(f.i32.add(stage.input(index), channel), 0, 4));
      const [gamma, mean, variance] = [vector(1), vector(2), vector(3)];
      const both = halves(f).map((half) => ({ ...half, sum: f.local.v128(0), product: f.local.v128(0) }));
      forBlocks(f, sums, { start: stage.scratch(partial), channel }, ([ownSum, ownProduct]) =>
        both.forEach(({ promote, sum, product }) => {
          f.set(sum, f64x2.add(sum, promote(ownSum!)));
          f.set(product, f64x2.add(product, promote(ownProduct!)));
        }),
      );
      const results = both.map(({ promote, sum, product }) => {
        const root = f.let(f64x2.div(1, f64x2.sqrt(f64x2.add(promote(variance), epsilon))));
        return {
          sum,
          dGamma: f.let(f64x2.mul(product, root)),
          scale: f.let(f64x2.mul(promote(gamma), root)),
          mean: f.let(f64x2.div(sum, plan.rows)),
          slope: f.let(f64x2.div(f64x2.mul(f64x2.mul(product, root), root), plan.rows)),
        };
      });
      const joined = (pick: (one: (typeof results)[number]) => Local<'v128'>): V128 => join(f, results.map(pick));
      writeFactors(stage, plan, factors, channel, [
        mean,
        joined((one) => one.mean),
        joined((one) => one.slope),
        joined((one) => one.scale),
      ]);
      if (site.wanted[1])
        storeChannels(
          stage,
          plan,
          1,
          channel,
          joined((one) => one.dGamma),
        );
      if (site.wanted[2])
        storeChannels(
          stage,
          plan,
          2,
          channel,
          joined((one) => one.sum),
        );
    });
    if (!site.wanted[0]) return;
    emitApply(site, plan, { factors, count: 4 }, ({ f, load }, { place, factor }, v) => {
      const { sub, mul, nmadd } = f.f32x4;
      const centred = sub(load(0, place(v)), factor(v, 0));
      return mul(nmadd(centred, factor(v, 2), sub(load(4, place(v)), factor(v, 1))), factor(v, 3));
    });
  },
  { fusion: { epilogue: true, load: { 4: 'masked' } }, inPlace: () => ({ inputs: [0, 4], epilogue: true }) },
);

/** Sum of dy, sum of dy (x - mean). */
const products = ({ rowBytes }: Rows): Totals => ({
  start: ({ f }, { vectors }) => [0, 1].map(() => vectors.map(() => f.f32x4.const(0, 0, 0, 0))),
  read: 2,
  changed: 2,
  add({ f, load, input }, [sums, totals], { from, to, channel, vectors }) {
    const { f32x4, i32, v128 } = f;
    const at = f.local.i32();
    const means = vectors.map((v) => f.let(v128.load(i32.add(input(2), channel), v * VECTOR_BYTES, 4)));
    f.for(at, from, to, rowBytes, () => {
      const place = f.let(i32.add(at, channel));
      vectors.forEach((v) => {
        const own = { at: place, offset: v * VECTOR_BYTES, channel, channelOffset: v * VECTOR_BYTES };
        const dy = f.let(load(4, own));
        f.set(sums![v]!, f32x4.add(sums![v]!, dy));
        f.set(totals![v]!, f32x4.madd(dy, f32x4.sub(load(0, own), means[v]!), totals![v]!));
      });
    });
  },
});
