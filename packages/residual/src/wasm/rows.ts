import {
  blockAddress,
  blockSumsShape,
  blockStep,
  forVectors,
  numberOffset,
  storeLanes,
  tilesFor,
  VECTOR_BYTES,
  type BlockSums,
  type Lanes,
  type Place,
  type Scratch,
  type Stage,
  type WasmSite,
} from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, Operand, V128 } from '@shoal/backend-wasm/encoder';
import { sizeOf } from '@shoal/core';
import { valuesPerChannel, type BatchNormAttributes } from '../batch-norm.ts';

/** Rows (all channels of one position) that one float32 sum adds up. */
const mostRows = 256;
const leastRows = 32;
const blockElements = 16384;
/** Channels that go down some rows together: a cache line. */
const lineChannels = 16;
/**
 * Bytes of neighbouring rows, of all tensors that are read, which are gone through before the rows below them, a cache line of channels at a time.
 * With more of them memory sees jumps instead of streams, and gives as little as half of what it can: two rows of 1 kB that take turns do.
 */
const groupBytes = 512;
/** Elements of a tile of the last stage. */
const grain = 16384;

/** The input as a matrix of positions by channels, in blocks of rows. */
export interface Rows {
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
export function rowsOf({ inputs: [x] }: WasmSite, tensors: number): Rows {
  const rows = valuesPerChannel(x!);
  const channels = x!.shape.at(-1)!;
  const blockRows = Math.min(rows, mostRows, Math.max(leastRows, Math.floor(blockElements / Math.max(1, channels))));
  const vectorBytes = Math.ceil(channels / 4) * VECTOR_BYTES;
  const fitting = Math.max(1, Math.floor(groupBytes / Math.max(1, tensors * channels * 4)));
  const groupRows = channels <= lineChannels ? blockRows : fitting;
  return { rows, channels, blockRows, blocks: Math.ceil(rows / blockRows), groupRows, rowBytes: channels * 4, vectorBytes };
}

/** Some neighbouring vectors of channels of some rows. */
export interface Block {
  /** Byte offsets of the first row, and of the row after the last. */
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
  readonly channel: Operand<'i32'>;
  readonly vectors: readonly number[];
}

/** The numbers that are kept of a block, each by vector. */
export type Numbers = readonly (readonly Local<'v128'>[])[];

/** How the numbers of a block start, and how they take in more rows. */
export interface Totals {
  readonly start: (stage: Stage, block: Block) => readonly (readonly V128[])[];
  /** How many of the numbers `add` is given, and how many of those it changes. */
  readonly read: number;
  readonly changed: number;
  readonly add: (stage: Stage, numbers: Numbers, block: Block) => void;
}

/** Memory for the numbers of all blocks. */
export function scratchFor(site: WasmSite<BatchNormAttributes>, { channels }: Rows, sums: BlockSums): Scratch {
  return site.scratch(sizeOf(blockSumsShape(channels, sums)) * 4);
}

/** Keeps numbers per channel for each block of rows. They stay in memory from one group of rows to the next. */
export function emitBlocks(
  site: WasmSite<BatchNormAttributes>,
  { rows, channels, blockRows, groupRows, rowBytes, vectorBytes }: Rows,
  { partial, sums }: { readonly partial: Scratch; readonly sums: BlockSums },
  { start, read, changed, add }: Totals,
): void {
  site.stage({ tiles: channels === 0 ? 0 : sums.blocks }, (stage) => {
    const { f, tile } = stage;
    const { i32, v128 } = f;
    const from = f.let(i32.mul(tile, blockRows * rowBytes));
    const end = f.let(i32.add(from, blockRows * rowBytes));
    const to = rows % blockRows === 0 ? end : f.let(f.select(i32.const(rows * rowBytes), end, i32.eq(tile, sums.blocks - 1)));
    const forChannels = (body: (channel: Operand<'i32'>, vectors: readonly number[], address: Local<'i32'>) => void): void =>
      forVectors(f, vectorBytes / 4, 4, (channel, lanes) => {
        body(
          channel,
          Array.from({ length: lanes / 4 }, (_, v) => v),
          blockAddress(f, sums, { start: stage.scratch(partial), block: tile, channel }),
        );
      });
    const save = (address: Local<'i32'>, numbers: readonly (readonly V128[])[]): void =>
      numbers.forEach((each, which) => each.forEach((value, v) => v128.store(address, value, numberOffset(sums, which, v), 4)));
    forChannels((channel, vectors, address) => save(address, start(stage, { from, to, channel, vectors })));
    const first = f.local.i32();
    f.for(first, from, to, groupRows * rowBytes, () => {
      const next = f.let(i32.add(first, groupRows * rowBytes));
      const last = f.let(f.select(next, to, i32.ltU(next, to)));
      forChannels((channel, vectors, address) => {
        const numbers = Array.from({ length: read }, (_, which) =>
          vectors.map((v) => f.let(v128.load(address, numberOffset(sums, which, v), 4))),
        );
        add(stage, numbers, { from: first, to: last, channel, vectors });
        save(address, numbers.slice(0, changed));
      });
    });
  });
}

/** Two of four channels, in double precision. */
export interface Half {
  readonly promote: (vector: V128) => V128;
}

export function halves(f: FunctionBuilder): readonly Half[] {
  const { promoteLowF32x4 } = f.f64x2;
  const high = (vector: V128): V128 => {
    const held = f.let(vector);
    return f.f32x4.shuffle(held, held, [2, 3, 2, 3]);
  };
  return [{ promote: promoteLowF32x4 }, { promote: (vector) => promoteLowF32x4(high(vector)) }];
}

export function join(f: FunctionBuilder, [low, high]: readonly Local<'v128'>[]): V128 {
  return f.f32x4.shuffle(f.f32x4.demoteF64x2Zero(low!), f.f32x4.demoteF64x2Zero(high!), [0, 1, 4, 5]);
}

/** Visits what was kept of each block at a vector of channels, in order. */
export function forBlocks(
  f: FunctionBuilder,
  sums: BlockSums,
  { start, channel }: { readonly start: Local<'i32'>; readonly channel: Local<'i32'> },
  body: (numbers: readonly Local<'v128'>[], block: Local<'i32'>) => void,
): void {
  const at = blockAddress(f, sums, { start, block: 0, channel });
  const block = f.local.i32();
  f.for(block, 0, sums.blocks, 1, () => {
    const numbers = Array.from({ length: sums.numbers }, (_, which) => f.let(f.v128.load(at, numberOffset(sums, which, 0), 4)));
    body(numbers, block);
    f.set(at, f.i32.add(at, blockStep(sums)));
  });
}

export function writeFactors(
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
export function storeChannels(
  { f, output }: Stage,
  { channels, vectorBytes }: Rows,
  index: number,
  channel: Local<'i32'>,
  value: V128,
): void {
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
export interface Line {
  readonly place: (vector: number) => Place;
  readonly factor: (vector: number, which: number) => Local<'v128'>;
}

/**
 * Writes output 0, element by element, from the `count` factors of its channel: row by row, so that memory sees one stream of each tensor, which is
 * worth more than the loads of factors; where a cache line holds all channels they stay in registers.
 */
export function emitApply(
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
    const at = f.local.i32();
    const forRows = (body: () => void): void => f.for(at, from, to, rowBytes, body);
    /** Some channels of the rows that `visit` goes through. */
    const emit = (channel: Operand<'i32'>, lanes: number, visit: (row: () => void) => void): void => {
      const vectors = Array.from({ length: Math.ceil(lanes / 4) }, (_, v) => v);
      const address = f.let(i32.add(stage.scratch(factors), channel));
      const held = vectors.map((v) =>
        Array.from({ length: count }, (_, which) => f.let(v128.load(address, which * vectorBytes + v * VECTOR_BYTES, 4))),
      );
      visit(() => {
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
    if (channels <= lineChannels) return emit(0, channels, forRows);
    const whole = Math.floor(channels / lineChannels) * lineChannels;
    const channel = f.local.i32();
    forRows(() => {
      f.for(channel, 0, whole * 4, lineChannels * 4, () => emit(channel, lineChannels, (row) => row()));
      if (channels > whole) emit(whole * 4, channels - whole, (row) => row());
    });
  });
}
