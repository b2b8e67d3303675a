import { MOMENTS, momentsOf, VECTOR_BYTES, wasmKernel, type BlockSums, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { Local, V128 } from '@shoal/backend-wasm/encoder';
import { apply, sizeOf, type Op } from '@shoal/core';
import { batchNormOp, type BatchNormAttributes } from '../batch-norm.ts';
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
  type Block,
  type Rows,
  type Totals,
} from './rows.ts';

/** Rows whose mean is the centre of a block. */
const centreRows = 16;

const momentsIn = (blocks: number): BlockSums => ({ blocks, numbers: MOMENTS });

/**
 * Three stages. Blocks of rows: for each channel a centre, and the sums of the deviations from it and of their squares. Channels: the blocks
 * joined in double precision. Rows: the result.
 *
 * The centre is the mean of the block's first 16 rows, so that the block is read once. Where that is d away from the mean of n rows, the squares
 * add up to n d^2 more than those around the mean, of which the 16 rows alone make 16 d^2: what is taken away again in double precision is at
 * most n / 16 times what is left, and float32 sums lose no more than that many times their rounding.
 *
 * Where x comes with moments of its blocks, the first stage is gone.
 */
export const batchNormWasm = wasmKernel(
  batchNormOp,
  (site) => {
    const plan = rowsOf(site, 1);
    const sums = momentsIn(plan.blocks);
    const partial = scratchFor(site, plan, sums);
    const factors = site.scratch(factorCount * plan.vectorBytes);
    emitBlocks(site, plan, { partial, sums }, momentsOfRows(plan));
    emitNormalised(site, plan, factors, { sums, start: ({ scratch }) => scratch(partial) });
  },
  {
    fusion: { epilogue: true },
    inPlace: () => ({ inputs: [0], epilogue: true }),
    lower: ([x, gamma, beta], attributes) => {
      const moments = momentsOf(x!);
      return moments && apply(batchNormOfMoments, [x!, gamma!, beta!, moments], attributes);
    },
  },
);

/** Batch norm of an input whose moments are there. Inputs: x, gamma, beta and the moments of x in blocks. */
const batchNormOfMoments: Op<BatchNormAttributes> = {
  name: 'residual/wasm-batch-norm-of-moments',
  infer: ([x, gamma]) => [x!, gamma!, gamma!].map(({ shape, dtype }) => ({ shape, dtype })),
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: ({ inputs: [x, gamma] }) => ({
    multiplyAccumulates: sizeOf(x!.shape),
    additions: sizeOf(x!.shape),
    transcendentals: 2 * sizeOf(gamma!.shape),
  }),
};

export const batchNormOfMomentsWasm = wasmKernel(
  batchNormOfMoments,
  (site) => {
    const plan = rowsOf(site, 1);
    const factors = site.scratch(factorCount * plan.vectorBytes);
    emitNormalised(site, plan, factors, { sums: momentsIn(site.inputs[3]!.shape[1]!), start: ({ input }) => input(3) });
  },
  { fusion: { epilogue: true }, inPlace: () => ({ inputs: [0], epilogue: true }) },
);

/** Mean, scale and shift. */
const factorCount = 3;

/** Joins the moments of all blocks, which begin at `start`, and writes what is wanted. */
function emitNormalised(
  site: WasmSite<BatchNormAttributes>,
  plan: Rows,
  factors: ReturnType<WasmSite['scratch']>,
  { sums, start }: { readonly sums: BlockSums; readonly start: (stage: Stage) => Local<'i32'> },
): void {
  const { epsilon } = site.attributes;
  site.stage({ tiles: plan.vectorBytes / VECTOR_BYTES }, (stage) => {
    const { f, tile } = stage;
    const { f64x2 } = f;
    const channel = f.let(f.i32.shl(tile, 4));
    const both = halves(f).map((half) => ({ ...half, first: f.local.v128(), total: f.local.v128(0), squares: f.local.v128(0) }));
    // In the deviations from the centre of the first block: those of a block are the deviations from its own centre, plus that centre's.
    forBlocks(f, sums, { start: start(stage), channel }, ([deviations, ownSquares, centre, count], block) => {
      f.if(f.i32.eqz(block), () => both.forEach(({ first, promote }) => f.set(first, promote(centre!))));
      both.forEach(({ first, total, squares, promote }) => {
        const off = f.let(f64x2.sub(promote(centre!), first));
        const own = f.let(promote(deviations!));
        const all = f.let(f64x2.add(own, f64x2.mul(off, promote(count!))));
        f.set(total, f64x2.add(total, all));
        f.set(squares, f64x2.add(squares, f64x2.add(promote(ownSquares!), f64x2.mul(off, f64x2.add(own, all)))));
      });
    });
    const statistics = both.map(({ first, total, squares, promote }) => {
      const off = f.let(f64x2.div(total, plan.rows));
      const mean = f.let(f64x2.add(first, off));
      const variance = f.let(f64x2.pmax(f64x2.sub(f64x2.div(squares, plan.rows), f64x2.mul(off, off)), 0));
      const gamma = promote(f.v128.load(f.i32.add(stage.input(1), channel), 0, 4));
      const beta = promote(f.v128.load(f.i32.add(stage.input(2), channel), 0, 4));
      const scale = f.let(f64x2.div(gamma, f64x2.sqrt(f64x2.add(variance, epsilon))));
      // What float32 drops of the mean goes into the shift.
      const dropped = f64x2.sub(mean, f64x2.promoteLowF32x4(f.f32x4.demoteF64x2Zero(mean)));
      return { mean, variance, scale, shift: f.let(f64x2.sub(beta, f64x2.mul(dropped, scale))) };
    });
    const joined = (pick: (one: (typeof statistics)[number]) => Local<'v128'>): V128 => join(f, statistics.map(pick));
    const mean = f.let(joined((one) => one.mean));
    writeFactors(stage, plan, factors, channel, [mean, joined((one) => one.scale), joined((one) => one.shift)]);
    if (site.wanted[1]) storeChannels(stage, plan, 1, channel, mean);
    if (site.wanted[2])
      storeChannels(
        stage,
        plan,
        2,
        channel,
        joined((one) => one.variance),
      );
  });
  if (!site.wanted[0]) return;
  emitApply(site, plan, { factors, count: factorCount }, ({ f, load }, { place, factor }, v) => {
    const { sub, madd } = f.f32x4;
    return madd(sub(load(0, place(v)), factor(v, 0)), factor(v, 1), factor(v, 2));
  });
}

/** Sum of deviations from a centre, sum of their squares, the centre, and how many rows. */
const momentsOfRows = ({ rowBytes }: Rows): Totals => {
  const forRows = ({ f, load }: Stage, { from, to, channel, vectors }: Block, body: (v: number, value: V128) => void): void => {
    const at = f.local.i32();
    f.for(at, from, to, rowBytes, () => {
      const place = f.let(f.i32.add(at, channel));
      vectors.forEach((v) => {
        body(v, load(0, { at: place, offset: v * VECTOR_BYTES, channel, channelOffset: v * VECTOR_BYTES }));
      });
    });
  };
  return {
    start(stage, block) {
      const { f } = stage;
      const { f32x4, i32 } = f;
      const some = f.let(i32.add(block.from, centreRows * rowBytes));
      const to = f.let(f.select(some, block.to, i32.ltU(some, block.to)));
      const rowsTo = (end: Local<'i32'>): Local<'v128'> =>
        f.let(f32x4.splat(f.f32.convertI32S(i32.divU(i32.sub(end, block.from), rowBytes))));
      const sums = block.vectors.map(() => f.local.v128(0));
      forRows(stage, { ...block, to }, (v, value) => f.set(sums[v]!, f32x4.add(sums[v]!, value)));
      const zeros = (): readonly V128[] => sums.map(() => f32x4.const(0, 0, 0, 0));
      const [rows, all] = [rowsTo(to), rowsTo(block.to)];
      return [zeros(), zeros(), sums.map((sum) => f32x4.div(sum, rows)), sums.map(() => all)];
    },
    read: 3,
    changed: 2,
    add(stage, [sums, squares, centres], block) {
      const { f } = stage;
      const { f32x4 } = f;
      forRows(stage, block, (v, value) => {
        const deviation = f.let(f32x4.sub(value, centres![v]!));
        f.set(sums![v]!, f32x4.add(sums![v]!, deviation));
        f.set(squares![v]!, f32x4.madd(deviation, deviation, squares![v]!));
      });
    },
  };
};
