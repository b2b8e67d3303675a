import type { Shape, TensorData } from '@shoal/core';
import type { TensorFacts } from './format.ts';

/** What is known of a computed tensor. */
export interface Measured {
  readonly sum: number;
  readonly l2: number;
  readonly size: number;
  /** The first elements in PyTorch's order. */
  readonly first: readonly number[];
}

/** Sum, norm and the first `count` elements in the order [n,c,h,w] of an NHWC tensor; other ranks keep their order. */
export function measureTensor(data: TensorData, shape: Shape, count: number): Measured {
  let sum = 0;
  let squares = 0;
  for (const value of data) {
    sum += value;
    squares += value * value;
  }
  const length = Math.min(count, data.length);
  const first = Array.from({ length }, (_, i) => data[shape.length === 4 ? nhwcIndex(i, shape) : i]!);
  return { sum, l2: Math.sqrt(squares), size: data.length, first };
}

function nhwcIndex(i: number, [, h, w, c]: Shape): number {
  const column = i % w!;
  const row = Math.floor(i / w!) % h!;
  const channel = Math.floor(i / (w! * h!)) % c!;
  const image = Math.floor(i / (w! * h! * c!));
  return ((image * h! + row) * w! + column) * c! + channel;
}

/**
 * How far a tensor is from what is known of it: the largest of the differences of norm and sum over the norm (independent errors of
 * the elements add up to as much in either) and of the first elements over the root mean square.
 */
export function distance(own: Measured, known: TensorFacts, first: readonly number[]): number {
  const l2 = known.l2 || Number.MIN_VALUE;
  const rms = l2 / Math.sqrt(own.size);
  const elements = first.map((value, i) => Math.abs(own.first[i]! - value) / rms);
  return Math.max(Math.abs(own.l2 - known.l2) / l2, Math.abs(own.sum - known.sum) / l2, ...elements);
}
