import type { Update } from '@shoal/math';
import type { TensorData, Value, Variable } from '@shoal/core';

export const phases = ['fwd', 'bwd', 'step'] as const;
export type Phase = (typeof phases)[number];

export type Feeds = Readonly<Record<string, TensorData>>;

/** Compute `y` from the inputs. Weights are variables: engines may prepare them before the first run. */
export interface Forward {
  readonly phase: 'fwd';
  readonly y: Value;
  readonly feeds: Feeds;
}

/** Given `dy`, compute the gradients of `y` to inputs. The forward pass is done, and all operands may differ from run to run. */
export interface Backward {
  readonly phase: 'bwd';
  readonly y: Value;
  readonly feeds: Feeds;
  readonly wrt: readonly Value[];
  readonly dy: Float32Array;
}

/** One step of stochastic gradient descent on the mean softmax cross-entropy of `logits`. */
export interface Step {
  readonly phase: 'step';
  readonly logits: Value;
  readonly labels: Value;
  readonly feeds: Feeds;
  readonly parameters: readonly Variable[];
  /** Running statistics. */
  readonly updates: readonly Update[];
  readonly learningRate: number;
  readonly momentum: number;
}

export type Subject = Forward | Backward | Step;

/** Multiplications and bytes, for rates: counted from the shapes, not estimated. */
export interface Amount {
  /** Floating-point operations, a multiply-accumulate being two. 0 where the work is moving data. */
  readonly flop: number;
  /** Operands read once and results written once. */
  readonly bytes: number;
}

/** How far an engine's results may be from the expected ones. */
export interface Tolerance {
  /** Of the largest difference, over the root mean square of what is expected. */
  readonly largest?: number;
  /** Of the root mean square of all differences, over the same. */
  readonly typical?: number;
}

/** Something to measure. */
export interface Work {
  /** `layer/RN50 c2 3x3 fwd`: what `--layers` matches, and what engines build it from. */
  readonly id: string;
  readonly group: 'layer' | 'network' | 'training';
  readonly phase: Phase;
  readonly amount: Amount;
  readonly tolerance: Tolerance;
  /** Nothing else could compute what is expected: the first engine's results are. */
  readonly comparedWithFirst?: boolean;
  /** Its floor is to copy as many bytes: the engine `copy` takes part. */
  readonly movesData?: boolean;
  /** Engines that are left out, by name, with the reason. */
  readonly without?: Readonly<Record<string, string>>;
  readonly build: () => Subject;
}
