import {
  forVectors,
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
import type { FunctionBuilder, I32, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import { batchNormGradient, batchNormOp, valuesPerChannel, type BatchNormAttributes } from '../batch-norm.ts';

/** Rows (all channels of one position) that one float32 sum adds up. */
const mostRows = 256;
const leastRows = 32;
const blockElements = 16384;
/**
 * Bytes of neighbouring rows, of all tensors that are read, which are gone through before the rows below them, a cache line of channels at a time;
 * at least two rows. With more of them memory sees jumps instead of streams, and gives half of what it can.
 */
const groupBytes = 2048;
/** Tensors that are counted for a gradient that is computed as it is read: two that are added, and a mask. */
const fusedTensors = 3;
/** Rows whose mean is the centre of a block. */
const centreRows = 16;
/** Elements of a tile of the last stage. */
const grain = 16384;

/** The input as a matrix of positions by channels, in blocks of rows. */
interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly blockRows: number;
  readonly blocks: number;
  /** Rows that are gone through together. */
  readonly groupRows: number;
  readonly rowBytes: number;
  /** Bytes of a vector with a number per channel. */
  readonly vectorBytes: number;
}

/** @param tensors how many are read together */
function rowsOf({ inputs: [x] }: WasmSite, tensors: number): Rows {
  const rows = valuesPerChannel(x!);
  const channels = x!.shape.at(-1)!;
  const blockRows = Math.min(rows, mostRows, Math.max(leastRows, Math.floor(blockElements / Math.max(1, channels))));
  const vectorBytes = Math.ceil(channels / 4) * VECTOR_BYTES;
  const groupRows = Math.max(2, Math.floor(groupBytes / Math.max(1, tensors * channels * 4)));
  return { rows, channels, blockRows, blocks: Math.ceil(rows / blockRows), groupRows, rowBytes: channels * 4, vectorBytes };
}

/**
 * Three stages. Blocks of rows: for each channel a centre, and the sums of the deviations from it and of their squares. Channels: the blocks
 * joined in double precision. Rows: the result.
 *
 * The centre is the mean of the block's first 16 rows, so that the block is read once. Where that is d away from the mean of n rows, the squares
 * add up to n d^2 more than those around the mean, of which the 16 rows alone make 16 d^2: what is taken away again in double precision is at
 * most n / 16 times what is left, and float32 sums lose no more than that many times their rounding.
 */
export const batchNormWasm = wasmKernel(
  batchNormOp,
  (site) => {
    const plan = rowsOf(site, 1);
    const { epsilon } = site.attributes;
    const partial = site.scratch(plan.blocks * 3 * plan.vectorBytes);
    const factors = site.scratch(3 * plan.vectorBytes);
    emitBlocks(site, plan, partial, 3, moments(plan));
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
    const plan = rowsOf(site, 1 + (site.fused[4] ? fusedTensors : 1));
    const { epsilon } = site.attributes;
    const partial = site.scratch(plan.blocks * 2 * plan.vectorBytes);
    const factors = site.scratch(4 * plan.vectorBytes);
    emitBlocks(site, plan, partial, 2, products(plan));
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

/** Some neighbouring vectors of channels of some rows. */
interface Block {
  /** Byte offsets of the first row, and of the row after the last. */
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  readonly vectors: readonly number[];
}

/** The numbers that are kept of a block, each by vector. */
type Numbers = readonly (readonly Local<'v128'>[])[];

/** How the numbers of a block start, and how they take in more rows. */
interface Totals {
  readonly start: (stage: Stage, block: Block) => readonly (readonly V128[])[];
  readonly add: (stage: Stage, numbers: Numbers, block: Block) => void;
}

/** Keeps `count` numbers per channel for each block of rows. They stay in memory from one group of rows to the next. */
function emitBlocks(
  site: WasmSite<BatchNormAttributes>,
  { rows, channels, blockRows, blocks, groupRows, rowBytes, vectorBytes }: Rows,
  partial: Scratch,
  count: number,
  { start, add }: Totals,
): void {
  site.stage({ tiles: channels === 0 ? 0 : blocks }, (stage) => {
    const { f, tile } = stage;
    const { i32, v128 } = f;
    const from = f.let(i32.mul(tile, blockRows * rowBytes));
    const end = f.let(i32.add(from, blockRows * rowBytes));
    const to = rows % blockRows === 0 ? end : f.let(f.select(i32.const(rows * rowBytes), end, i32.eq(tile, blocks - 1)));
    const saved = f.let(i32.add(stage.scratch(partial), i32.mul(tile, count * vectorBytes)));
    const offset = (which: number, v: number): number => which * vectorBytes + v * VECTOR_BYTES;
    const forChannels = (body: (channel: Operand<'i32'>, vectors: readonly number[], address: Local<'i32'>) => void): void =>
      forVectors(f, vectorBytes / 4, 4, (channel, lanes) => {
        body(
          channel,
          Array.from({ length: lanes / 4 }, (_, v) => v),
          f.let(i32.add(saved, channel)),
        );
      });
    const save = (address: Local<'i32'>, numbers: readonly (readonly V128[])[]): void =>
      numbers.forEach((each, which) => each.forEach((value, v) => v128.store(address, value, offset(which, v), 4)));
    forChannels((channel, vectors, address) => save(address, start(stage, { from, to, channel, vectors })));
    const first = f.local.i32();
    f.for(first, from, to, groupRows * rowBytes, () => {
      const next = f.let(i32.add(first, groupRows * rowBytes));
      const last = f.let(f.select(next, to, i32.ltU(next, to)));
      forChannels((channel, vectors, address) => {
        const numbers = Array.from({ length: count }, (_, which) => vectors.map((v) => f.let(v128.load(address, offset(which, v), 4))));
        add(stage, numbers, { from: first, to: last, channel, vectors });
        save(address, numbers);
      });
    });
  });
}

/** Centre, sum of deviations from it, sum of their squares. */
const moments = ({ rowBytes }: Rows): Totals => {
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
      const sums = block.vectors.map(() => f.local.v128(0));
      forRows(stage, { ...block, to }, (v, value) => f.set(sums[v]!, f32x4.add(sums[v]!, value)));
      const rows = f.let(f32x4.splat(f.f32.convertI32S(i32.divU(i32.sub(to, block.from), rowBytes))));
      const zeros = sums.map(() => f32x4.const(0, 0, 0, 0));
      return [sums.map((sum) => f32x4.div(sum, rows)), zeros, sums.map(() => f32x4.const(0, 0, 0, 0))];
    },
    add(stage, [centres, sums, squares], block) {
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

/** Sum of dy, sum of dy (x - mean). */
const products = ({ rowBytes }: Rows): Totals => ({
  start: ({ f }, { vectors }) => [0, 1].map(() => vectors.map(() => f.f32x4.const(0, 0, 0, 0))),
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
 * Writes output 0, element by element, from the `count` factors of its channel. A cache line of channels goes down some rows with its factors in
 * registers: two, or all of a tile where the line holds all channels.
 */
function emitApply(
  site: WasmSite<BatchNormAttributes>,
  { rows, channels, rowBytes, vectorBytes }: Rows,
  { factors, count }: { readonly factors: Scratch; readonly count: number },
  result: (stage: Stage, line: Line, vector: number) => V128,
): void {
  const pairs = tilesFor(Math.ceil(rows / 2), 2 * channels, grain);
  const [tiles, perTile] = [pairs.tiles, 2 * pairs.perTile];
  site.stage({ tiles: channels === 0 ? 0 : tiles }, (stage) => {
    const { f, tile } = stage;
    const { i32, v128 } = f;
    const from = f.let(i32.mul(tile, perTile * rowBytes));
    const end = f.let(i32.add(from, perTile * rowBytes));
    const to = rows % perTile === 0 ? end : f.let(f.select(i32.const(rows * rowBytes), end, i32.eq(tile, tiles - 1)));
    /** Some channels of the rows that `visit` gives. */
    const emit = (channel: Operand<'i32'>, lanes: number, visit: (row: (at: I32) => void) => void): void => {
      const vectors = Array.from({ length: Math.ceil(lanes / 4) }, (_, v) => v);
      const address = f.let(i32.add(stage.scratch(factors), channel));
      const held = vectors.map((v) =>
        Array.from({ length: count }, (_, which) => f.let(v128.load(address, which * vectorBytes + v * VECTOR_BYTES, 4))),
      );
      visit((at) => {
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
    const at = f.local.i32();
    if (channels <= 16) return emit(0, channels, (row) => f.for(at, from, to, rowBytes, () => row(at)));
    const some = (count: number): void => {
      const part = (channel: Operand<'i32'>, lanes: number): void =>
        emit(channel, lanes, (row) => Array.from({ length: count }, (_, i) => row(i32.add(at, i * rowBytes))));
      const whole = Math.floor(channels / 16) * 16;
      const channel = f.local.i32();
      f.for(channel, 0, whole * 4, 64, () => part(channel, 16));
      if (channels > whole) part(whole * 4, channels - whole);
    };
    f.for(at, from, rows % 2 === 0 ? to : i32.sub(to, rowBytes), 2 * rowBytes, () => some(2));
    if (rows % 2 === 1) f.if(i32.ltU(at, to), () => some(1));
  });
}
