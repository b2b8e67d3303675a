import type { Shape, Value } from '@shoal/core';
import type { FunctionBuilder, Local, Operand } from './encoder/index.ts';
import { VECTOR_BYTES } from './lanes.ts';

/**
 * Sums over the cells (places on all axes but the last) of a tensor, by channel, in blocks of cells: f32
 * `[pairs of vectors of channels, blocks, numbers, 8]`. A block keeps what it knows of eight channels together, two vectors that the engine
 * joins where it can; who joins the blocks of a channel reads on and on. Lanes beyond the last channel hold anything.
 */
export interface BlockSums {
  readonly blocks: number;
  /** How many are kept of a channel of a block. */
  readonly numbers: number;
}

/** Channels whose numbers lie together. */
export const MOMENT_CHANNELS = 8;
const pairBytes = 2 * VECTOR_BYTES;

export const blockSumsShape = (channels: number, { blocks, numbers }: BlockSums): Shape => [
  Math.ceil(channels / MOMENT_CHANNELS),
  blocks,
  numbers,
  MOMENT_CHANNELS,
];

/** Bytes from one block to the next. */
export const blockStep = ({ numbers }: BlockSums): number => numbers * pairBytes;

/** Where a block keeps number 0 of the vector of channels at a byte offset. */
export function blockAddress(
  f: FunctionBuilder,
  { blocks, numbers }: BlockSums,
  { start, block, channel }: { readonly start: Operand<'i32'>; readonly block: Operand<'i32'>; readonly channel: Operand<'i32'> },
): Local<'i32'> {
  const { i32 } = f;
  const pair = i32.mul(i32.and(channel, -pairBytes), blocks * numbers);
  const odd = i32.and(channel, VECTOR_BYTES);
  return f.let(i32.add(i32.add(start, i32.mul(block, numbers * pairBytes)), i32.add(pair, odd)));
}

/** The bytes to number `which` of vector `vector`, from number 0 of an even vector. */
export const numberOffset = ({ blocks, numbers }: BlockSums, which: number, vector: number): number =>
  which * pairBytes + (vector >> 1) * blocks * numbers * pairBytes + (vector & 1) * VECTOR_BYTES;

/** The numbers of a block of moments: the sum of the deviations from a centre, the sum of their squares, the centre, and how many cells there are. */
export const MOMENTS = 4;

/**
 * A kernel may leave the moments of output 0 as output 1, in {@link BlockSums}, by the way: its node then has their shape among its
 * attributes. Who reads them reads output 0 as well, so that this is what the kernel stores: nothing fused behind it, no slice of a larger tensor.
 */
export interface LeavesMoments {
  readonly moments?: Shape;
}

/** The moments that whatever computes a value leaves; null where it leaves none. */
export function momentsOf(value: Value): Value | null {
  const { node } = value;
  if (!node || value !== node.outputs[0]) return null;
  return (node.attributes as LeavesMoments).moments ? node.outputs[1]! : null;
}
