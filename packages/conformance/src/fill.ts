import { exactArray, sizeOf, ShoalError, type Case, type CaseInput, type TensorData } from '@shoal/core';

/**
 * The numbers that each input of a case is fed, the same on every machine. `f32` values are exact in float32, so that a
 * backend is never blamed for rounding its inputs.
 */
export function fillCase({ inputs }: Case): readonly TensorData[] {
  return inputs.map((input, index) => fillInput(input, index));
}

/**
 * Fills one input. `index`, its position among the inputs, varies the numbers, so that no two inputs of a case are equal
 * anywhere: `maximum(x, y)` of two `distinct` inputs has no tie.
 */
export function fillInput({ shape, dtype, data = 'distinct' }: CaseInput, index: number): TensorData {
  const total = sizeOf(shape);
  const type = dtype ?? (typeof data === 'object' && 'labels' in data ? 'i32' : 'f32');
  const filled = exactArray(type, total);
  if (isList(data)) {
    if (data.length !== total) {
      throw new ShoalError('SHAPE', {
        op: 'conformance',
        fact: `input ${index} lists ${data.length} numbers for shape [${shape.join(',')}], which has ${total}`,
      });
    }
    filled.set(type === 'f32' ? data.map(Math.fround) : data);
    return filled;
  }
  if (typeof data === 'object') return filled.map((_, i) => Math.floor(unit(i, index) * data.labels));
  const rank = shuffledRanks(total, index);
  if (type !== 'f32') return filled.map((_, i) => rank[i]! + (data === 'positive' ? 1 : 0));
  // Never a whole or half step: 0 stays half a step away from every value, whatever the size.
  const offset = 0.3 + 0.4 * ((index * 0.618034) % 1);
  const scale = (i: number): number => (rank[i]! + offset) / total;
  return filled.map((_, i) => Math.fround(data === 'positive' ? 0.25 + scale(i) : 2 * scale(i) - 1));
}

/** What the outputs are weighted with before they are summed and differentiated: no two neighbours equal, none zero, exact in float32. */
export function upstreamWeights(total: number): Float64Array {
  return Float64Array.from({ length: total }, (_, i) => (1 + ((i * 7) % 11)) / 8 - 9 / 16);
}

function isList(data: object | string): data is readonly number[] {
  return Array.isArray(data);
}

/** 0 .. total - 1, shuffled (Fisher and Yates). */
function shuffledRanks(total: number, index: number): readonly number[] {
  const ranks = Array.from({ length: total }, (_, i) => i);
  for (let i = total - 1; i > 0; i--) {
    const other = Math.floor(unit(i, index) * (i + 1));
    [ranks[i], ranks[other]] = [ranks[other]!, ranks[i]!];
  }
  return ranks;
}

/** A number in [0, 1) from a position: the finaliser of MurmurHash3 over `i` and the input's index. */
function unit(i: number, index: number): number {
  let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
