import {
  storeLanes,
  tilesFor,
  VECTOR_BYTES,
  wasmKernel,
  type Lanes,
  type Place,
  type Scratch,
  type Stage,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import { batchNormGradient, batchNormOp, valuesPerChannel, type BatchNormAttributes } from '../batch-norm.ts';

/** Rows (all channels of one position) that one float32 sum adds up. A block of them is read twice, so it should stay in the cache. */
const mostRows = 256;
const leastRows = 32;
const blockElements = 16384;
/** Elements of a tile of the last stage. */
const grain = 16384;

/** The input as a matrix of positions by channels, in blocks of rows. */
interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly blockRows: number;
  readonly blocks: number;
  readonly rowBytes: number;
  /** Bytes of a vector with a number per channel. */
  readonly vectorBytes: number;
}

function rowsOf({ inputs: [x] }: WasmSite): Rows {
  const rows = valuesPerChannel(x!);
  const channels = x!.shape.at(-1)!;
  const blockRows = Math.min(rows, mostRows, Math.max(leastRows, Math.floor(blockElements / Math.max(1, channels))));
  const vectorBytes = Math.ceil(channels / 4) * VECTOR_BYTES;
  return { rows, channels, blockRows, blocks: Math.ceil(rows / blockRows), rowBytes: channels * 4, vectorBytes };
}

/**
 * Three stages. Blocks of rows: each channel's mean, and around it (in float32, which loses nothing near the mean) the sums of the
 * deviations and of their squares. Channels: the blocks joined in double precision. Rows: the result.
 */
export const batchNormWasm = wasmKernel(
  batchNormOp,
  (site) => {
    const plan = rowsOf(site);
    const { epsilon } = site.attributes;
    const partial = site.scratch(plan.blocks * 3 * plan.vectorBytes);
    const factors = site.scratch(3 * plan.vectorBytes);
    emitBlocks(site, plan, partial, 3, (stage, block) => emitMoments(stage, plan, block));
    site.stage({ tiles: plan.vectorBytes / VECTOR_BYTES }, (stage) => {
      const { f, tile } = stage;
      const { f64x2 } = f;
      const channel = f.let(f.i32.shl(tile, 4));
      const read = (half: Half, at: Local<'i32'>, which: number): V128 => half.promote(f.v128.load(at, which * plan.vectorBytes, 4));
      const statistics = halves(f).map((half) => {
        const total = f.local.v128(0);
        forBlocks(stage, plan, partial, 3, channel, (at, count) => {
          f.set(total, f64x2.add(total, f64x2.add(f64x2.mul(read(half, at, 0), count), read(half, at, 1))));
        });
        const mean = f.let(f64x2.div(total, plan.rows));
        // The sum of (x - mean)^2 where x - mean is the deviation from the block's centre, plus the centre's own from the mean.
        const squares = f.local.v128(0);
        forBlocks(stage, plan, partial, 3, channel, (at, count) => {
          const off = f.let(f64x2.sub(read(half, at, 0), mean));
          const cross = f64x2.add(f64x2.mul(read(half, at, 1), 2), f64x2.mul(off, count));
          f.set(squares, f64x2.add(squares, f64x2.add(read(half, at, 2), f64x2.mul(off, cross))));
        });
        const variance = f.let(f64x2.div(f64x2.pmax(squares, 0), plan.rows));
        const gamma = half.promote(f.v128.load(f.i32.add(stage.input(1), channel), 0, 4));
        const beta = half.promote(f.v128.load(f.i32.add(stage.input(2), channel), 0, 4));
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
    emitApply(site, plan, { factors, count: 3 }, ({ f, load }, { place, factor }, v) => {
      const { sub, madd } = f.f32x4;
      return madd(sub(load(0, place(v)), factor(v, 0)), factor(v, 1), factor(v, 2));
    });
  },
  { fusion: { epilogue: true }, inPlace: () => ({ inputs: [0], epilogue: true }) },
);

/** The sums over the batch, then each element by itself: dx = scale (dy - mean(dy) - (x - mean) slope). */
export const batchNormGradientWasm = wasmKernel(
  batchNormGradient,
  (site) => {
    const plan = rowsOf(site);
    const { epsilon } = site.attributes;
    const partial = site.scratch(plan.blocks * 2 * plan.vectorBytes);
    const factors = site.scratch(4 * plan.vectorBytes);
    emitBlocks(site, plan, partial, 2, (stage, block) => emitProducts(stage, plan, block));
    site.stage({ tiles: plan.vectorBytes / VECTOR_BYTES }, (stage) => {
      const { f, tile } = stage;
      const { f64x2 } = f;
      const channel = f.let(f.i32.shl(tile, 4));
      const vector = (index: number): Local<'v128'> => f.let(f.v128.load(f.i32.add(stage.input(index), channel), 0, 4));
      const [gamma, mean, variance] = [vector(1), vector(2), vector(3)];
      const results = halves(f).map((half) => {
        const [sum, product] = [f.local.v128(0), f.local.v128(0)];
        forBlocks(stage, plan, partial, 2, channel, (at) => {
          [sum, product].forEach((total, which) =>
            f.set(total, f64x2.add(total, half.promote(f.v128.load(at, which * plan.vectorBytes, 4)))),
          );
        });
        const root = f.let(f64x2.div(1, f64x2.sqrt(f64x2.add(half.promote(variance), epsilon))));
        return {
          sum,
          dGamma: f.let(f64x2.mul(product, root)),
          scale: f.let(f64x2.mul(half.promote(gamma), root)),
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

/** Some neighbouring vectors of channels of one block of rows. */
interface Block {
  /** Byte offsets of the first row of the block, and of the row after its last. */
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  readonly vectors: readonly number[];
}

/** Runs `sums` for each block of rows, a cache line of channels at a time, and keeps the `count` numbers per channel that it gives. */
function emitBlocks(
  site: WasmSite<BatchNormAttributes>,
  { rows, channels, blockRows, blocks, rowBytes, vectorBytes }: Rows,
  partial: Scratch,
  count: number,
  sums: (stage: Stage, block: Block) => readonly (readonly V128[])[],
): void {
  site.stage({ tiles: channels === 0 ? 0 : blocks }, (stage) => {
    const { f, tile } = stage;
    const { i32 } = f;
    const from = f.let(i32.mul(tile, blockRows * rowBytes));
    const end = f.let(i32.add(from, blockRows * rowBytes));
    const to = rows % blockRows === 0 ? end : f.let(f.select(i32.const(rows * rowBytes), end, i32.eq(tile, blocks - 1)));
    const saved = f.let(i32.add(stage.scratch(partial), i32.mul(tile, count * vectorBytes)));
    const emit = (channel: Operand<'i32'>, vectors: number): void => {
      const found = sums(stage, { from, to, channel, vectors: Array.from({ length: vectors }, (_, i) => i) });
      const address = f.let(i32.add(saved, channel));
      found.forEach((each, which) => each.forEach((value, v) => f.v128.store(address, value, which * vectorBytes + v * VECTOR_BYTES, 4)));
    };
    const line = 4 * VECTOR_BYTES;
    const whole = Math.floor(vectorBytes / line) * line;
    const channel = f.local.i32();
    f.for(channel, 0, whole, line, () => emit(channel, 4));
    if (vectorBytes > whole) emit(whole, (vectorBytes - whole) / VECTOR_BYTES);
  });
}

/** Centre, sum of deviations from it, sum of their squares. */
function emitMoments(stage: Stage, { rowBytes }: Rows, { from, to, channel, vectors }: Block): readonly (readonly V128[])[] {
  const { f } = stage;
  const { f32x4, i32 } = f;
  const at = f.local.i32();
  const zeros = (): readonly Local<'v128'>[] => vectors.map(() => f.local.v128(0));
  const read = (v: number): V128 =>
    stage.load(0, { at: i32.add(at, channel), offset: v * VECTOR_BYTES, channel, channelOffset: v * VECTOR_BYTES });
  const [centres, sums, squares] = [zeros(), zeros(), zeros()];
  f.for(at, from, to, rowBytes, () => vectors.forEach((v) => f.set(centres[v]!, f32x4.add(centres[v]!, read(v)))));
  const rows = f.let(f32x4.splat(f.f32.convertI32S(i32.divU(i32.sub(to, from), rowBytes))));
  vectors.forEach((v) => f.set(centres[v]!, f32x4.div(centres[v]!, rows)));
  f.for(at, from, to, rowBytes, () =>
    vectors.forEach((v) => {
      const deviation = f.let(f32x4.sub(read(v), centres[v]!));
      f.set(sums[v]!, f32x4.add(sums[v]!, deviation));
      f.set(squares[v]!, f32x4.madd(deviation, deviation, squares[v]!));
    }),
  );
  return [centres, sums, squares];
}

/** Sum of dy, sum of dy (x - mean). */
function emitProducts(stage: Stage, { rowBytes }: Rows, { from, to, channel, vectors }: Block): readonly (readonly V128[])[] {
  const { f } = stage;
  const { f32x4, i32, v128 } = f;
  const at = f.local.i32();
  const zeros = (): readonly Local<'v128'>[] => vectors.map(() => f.local.v128(0));
  const [sums, products] = [zeros(), zeros()];
  const means = vectors.map((v) => f.let(v128.load(i32.add(stage.input(2), channel), v * VECTOR_BYTES, 4)));
  f.for(at, from, to, rowBytes, () => {
    const place = f.let(i32.add(at, channel));
    vectors.forEach((v) => {
      const own = { at: place, offset: v * VECTOR_BYTES, channel, channelOffset: v * VECTOR_BYTES };
      const dy = f.let(stage.load(4, own));
      f.set(sums[v]!, f32x4.add(sums[v]!, dy));
      f.set(products[v]!, f32x4.madd(dy, f32x4.sub(stage.load(0, own), means[v]!), products[v]!));
    });
  });
  return [sums, products];
}

/** Two of four channels, in double precision. */
interface Half {
  readonly promote: (vector: V128) => V128;
}

function halves(f: FunctionBuilder): readonly Half[] {
  const { promoteLowF32x4 } = f.f64x2;
  const high = (vector: V128): V128 => {
    const held = f.let(vector);
    return f.f32x4.shuffle(held, held, [2, 3, 2, 3]);
  };
  return [{ promote: promoteLowF32x4 }, { promote: (vector) => promoteLowF32x4(high(vector)) }];
}

function join(f: FunctionBuilder, [low, high]: readonly Local<'v128'>[]): V128 {
  return f.f32x4.shuffle(f.f32x4.demoteF64x2Zero(low!), f.f32x4.demoteF64x2Zero(high!), [0, 1, 4, 5]);
}

/** Visits what was kept of each block at a vector of channels, in order; `count` is the block's number of rows, in both lanes. */
function forBlocks(
  { f, scratch }: Stage,
  { rows, blockRows, blocks, vectorBytes }: Rows,
  partial: Scratch,
  numbers: number,
  channel: Local<'i32'>,
  body: (at: Local<'i32'>, count: V128) => void,
): void {
  const { i32, f64x2 } = f;
  const at = f.let(i32.add(scratch(partial), channel));
  const block = f.local.i32();
  const rest = rows - (blocks - 1) * blockRows;
  f.for(block, 0, blocks, 1, () => {
    const count = f.let(f.select(i32.const(rest), i32.const(blockRows), i32.eq(block, blocks - 1)));
    body(at, f.let(f64x2.splat(f.f64.convertI32S(count))));
    f.set(at, i32.add(at, numbers * vectorBytes));
  });
}

function writeFactors(
  { f, scratch }: Stage,
  { vectorBytes }: Rows,
  factors: Scratch,
  channel: Local<'i32'>,
  values: readonly V128[],
): void {
  const address = f.let(f.i32.add(scratch(factors), channel));
  values.forEach((value, which) => f.v128.store(address, value, which * vectorBytes, 4));
}

/** Writes a vector of channels to an output with a number per channel. */
function storeChannels({ f, output }: Stage, { channels, vectorBytes }: Rows, index: number, channel: Local<'i32'>, value: V128): void {
  const held = f.let(value);
  const address = f.let(f.i32.add(output(index), channel));
  const rest = channels % 4;
  if (rest === 0) return storeLanes(f, address, held, 4);
  f.if(
    f.i32.eq(channel, vectorBytes - VECTOR_BYTES),
    () => storeLanes(f, address, held, rest as Lanes),
    () => storeLanes(f, address, held, 4),
  );
}

/** Neighbouring vectors of channels that are done together, at one row. */
interface Line {
  readonly place: (vector: number) => Place;
  readonly factor: (vector: number, which: number) => Local<'v128'>;
}

/**
 * Writes output 0, element by element, from the `count` factors of its channel. A cache line of channels goes down the rows of a tile, with its
 * factors in registers.
 */
function emitApply(
  site: WasmSite<BatchNormAttributes>,
  { rows, channels, rowBytes, vectorBytes }: Rows,
  { factors, count }: { readonly factors: Scratch; readonly count: number },
  result: (stage: Stage, line: Line, vector: number) => V128,
): void {
  const { tiles, perTile } = tilesFor(rows, channels, grain);
  site.stage({ tiles: channels === 0 ? 0 : tiles }, (stage) => {
    const { f, tile } = stage;
    const { i32, v128 } = f;
    const from = f.let(i32.mul(tile, perTile * rowBytes));
    const end = f.let(i32.add(from, perTile * rowBytes));
    const to = rows % perTile === 0 ? end : f.let(f.select(i32.const(rows * rowBytes), end, i32.eq(tile, tiles - 1)));
    const emit = (channel: Operand<'i32'>, lanes: number): void => {
      const vectors = Array.from({ length: Math.ceil(lanes / 4) }, (_, v) => v);
      const address = f.let(i32.add(stage.scratch(factors), channel));
      const held = vectors.map((v) =>
        Array.from({ length: count }, (_, which) => f.let(v128.load(address, which * vectorBytes + v * VECTOR_BYTES, 4))),
      );
      const at = f.local.i32();
      f.for(at, from, to, rowBytes, () => {
        const start = f.let(i32.add(at, channel));
        const line: Line = {
          place: (v) => ({ at: start, offset: v * VECTOR_BYTES, channel, channelOffset: v * VECTOR_BYTES }),
          factor: (v, which) => held[v]![which]!,
        };
        stage.storeAll(
          vectors.map((v) => result(stage, line, v)),
          line.place(0),
          lanes,
        );
      });
    };
    const whole = Math.floor(channels / 16) * 16;
    const channel = f.local.i32();
    if (whole > 0) f.for(channel, 0, whole * 4, 64, () => emit(channel, 16));
    if (channels > whole) emit(whole * 4, channels - whole);
  });
}
