import type { AnyOp, Value } from './graph.ts';
import type { Dtype, Shape } from './tensor.ts';

/**
 * How an input of a case is filled, the same way everywhere and at exact float32 values.
 * `distinct`: a shuffled ramp in [-1, 1), no two equal and none near a kink; `positive`: the same in (0.25, 1.25);
 * `labels`: whole numbers below `classes`; an array: these numbers, row-major.
 */
export type CaseData = 'distinct' | 'positive' | { readonly labels: number } | readonly number[];

export interface CaseInput {
  readonly shape: Shape;
  readonly dtype?: Dtype;
  /** Default `distinct`. */
  readonly data?: CaseData;
}

/** One row of truth about an op. Conformance test, gradient check, benchmark and docs story all read it. */
export interface Case {
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  /** Builds the graph under test; the first output (if f32) is the one differentiated. */
  readonly build: (...inputs: readonly Value[]) => Value | readonly Value[];
  /** Literal expectations, one list per output (null: not asserted), worked out by hand or by an independent source. */
  readonly expect?: readonly (readonly number[] | null)[];
  /**
   * How the gradient to every f32 input is checked: against finite differences in float64 (the default), against literal numbers
   * (one list per input, null where not asserted; the upstream gradient is 1 for every element of the first output) where the
   * point is a kink, or not at all, with the reason.
   */
  readonly gradient?: 'finite-difference' | { readonly expect: readonly (readonly number[] | null)[] } | { readonly none: string };
  /** Also check the gradient of the gradient by finite differences. */
  readonly secondOrder?: boolean;
  /** Multiplies the float32 tolerance where rounding is known to be amplified, with the reason in the name or a comment. */
  readonly toleranceFactor?: number;
  /** What a backend may not promise: such a case is skipped there by name. */
  readonly needs?: CaseNeed;
}

/**
 * NaN (WGSL promises none), intermediate numbers beyond the `range` of half floats, or sums in the `order` in which a kernel writes
 * them, which drivers may change.
 */
export type CaseNeed = 'nan' | 'range' | 'order';

/** The cases of one op or composition, under the name they are reported by. */
export interface CaseTable {
  readonly name: string;
  /** Null for compositions that have no op of their own. */
  readonly op: AnyOp | null;
  readonly cases: readonly Case[];
}
