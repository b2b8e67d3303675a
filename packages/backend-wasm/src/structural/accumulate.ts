import type { Dtype, ReduceAttributes } from '@shoal/core';
import type { F64, FunctionBuilder, Local, Operand, V128 } from '../encoder/index.ts';
import { toF32x4, toI32x4 } from '../encoder/values.ts';
import type { Lanes } from '../kernel.ts';
import { laneMask, VECTOR_BYTES } from '../lanes.ts';

export type Kind = ReduceAttributes['kind'];

/** Four running results, one per lane. Sums of f32 are kept in double precision: only the final rounding is left. */
export interface Accumulator {
  /** Bytes of a partial result of four lanes. */
  readonly bytes: number;
  reset(): void;
  /** Takes in four elements, of which the first `lanes` count (default 4). */
  take(value: V128, lanes?: Lanes): void;
  /** Takes in the four running results of another accumulator. */
  merge(other: Accumulator): void;
  /** Writes the running results to memory, and takes such results in. */
  save(address: Operand<'i32'>, offset: number): void;
  takeSaved(address: Operand<'i32'>, offset: number): void;
  /** The results, one per lane. */
  result(): V128;
  /** All four joined, in every lane; leaves the running results undefined. */
  joined(): V128;
  readonly parts: readonly Local<'v128'>[];
}

export function accumulator(f: FunctionBuilder, kind: Kind, dtype: Dtype): Accumulator {
  return kind === 'sum' && dtype === 'f32' ? doubleSum(f) : single(f, kind);
}

function doubleSum(f: FunctionBuilder): Accumulator {
  const { f64x2, f32x4 } = f;
  const parts = [f.local.v128(0), f.local.v128(0)] as const;
  const add = (part: 0 | 1, value: V128): void => f.set(parts[part], f64x2.add(parts[part], value));
  const lane = (value: V128, i: number): F64 => f64x2.extractLane(value, i);
  return {
    bytes: 2 * VECTOR_BYTES,
    parts,
    reset: () => parts.forEach((part) => f.set(part, 0)),
    take(value, lanes = 4) {
      const x = f.let(lanes === 4 ? value : f.v128.and(value, laneMask(f, lanes)));
      add(0, f64x2.promoteLowF32x4(x));
      add(1, f64x2.promoteLowF32x4(f32x4.shuffle(x, x, [2, 3, 2, 3])));
    },
    merge(other) {
      add(0, other.parts[0]!);
      add(1, other.parts[1]!);
    },
    save(address, offset) {
      f.v128.store(address, parts[0], offset, 8);
      f.v128.store(address, parts[1], offset + VECTOR_BYTES, 8);
    },
    takeSaved(address, offset) {
      add(0, f.v128.load(address, offset, 8));
      add(1, f.v128.load(address, offset + VECTOR_BYTES, 8));
    },
    result: () => f32x4.shuffle(f32x4.demoteF64x2Zero(parts[0]), f32x4.demoteF64x2Zero(parts[1]), [0, 1, 4, 5]),
    joined() {
      const both = f.let(f64x2.add(parts[0], parts[1]));
      return f32x4.splat(f.f32.demoteF64(f.f64.add(lane(both, 0), lane(both, 1))));
    },
  };
}

function single(f: FunctionBuilder, kind: Kind): Accumulator {
  const { f32x4, i32x4 } = f;
  const join = kind === 'sum' ? i32x4.add : f32x4[kind];
  // Sums of one vector are integers here; maxima and minima are f32, and propagate NaN.
  const neutral = kind === 'sum' ? toI32x4(0) : toF32x4(kind === 'max' ? -Infinity : Infinity);
  const part = f.local.v128();
  const take = (value: V128): void => f.set(part, join(part, value));
  return {
    bytes: VECTOR_BYTES,
    parts: [part],
    reset: () => f.set(part, neutral),
    take: (value, lanes = 4) => take(lanes === 4 ? value : f.v128.bitselect(value, neutral, laneMask(f, lanes))),
    merge: (other) => take(other.parts[0]!),
    save: (address, offset) => f.v128.store(address, part, offset, 4),
    takeSaved: (address, offset) => take(f.v128.load(address, offset, 4)),
    result: () => part,
    joined() {
      take(i32x4.shuffle(part, part, [2, 3, 0, 1]));
      take(i32x4.shuffle(part, part, [1, 0, 3, 2]));
      return part;
    },
  };
}
