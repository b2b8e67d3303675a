import { ShoalError } from '@shoal/core';
import type * as tfjs from '@tensorflow/tfjs-core';

/** What a caller passes in: `@tensorflow/tfjs-core`, `@tensorflow/tfjs` or `@tensorflow/tfjs-node-gpu`, imported whole. */
export type Tensorflow = typeof tfjs;
export type Tensor = tfjs.Tensor;
export type Tensor4D = tfjs.Tensor4D;

/** An engine of TensorFlow.js, and what was found out about it when it was opened. */
export interface Engine {
  readonly tf: Tensorflow;
  /** The name it is registered under: `cpu`, `wasm`, `webgpu`, `tensorflow`. */
  readonly name: string;
  /** Whether an op has finished when its call returns. */
  readonly synchronous: boolean;
  /** Whether `maximum` and `minimum` give NaN where either side is NaN. */
  readonly extremaKeepNaN: boolean;
  /** The same of `max` and `min` along an axis. */
  readonly reductionsKeepNaN: boolean;
  /** Whether sums are carried in more than float32. */
  readonly sumsInDouble: boolean;
  /** Whether `log` is right at 0 and Infinity. */
  readonly logReachesEnds: boolean;
  /** Whether `pow` is JavaScript's at 0, 1, NaN and Infinity. */
  readonly powReachesEnds: boolean;
}

/** Engines whose calls return when the work is done. */
const synchronous: ReadonlySet<string> = new Set(['cpu', 'wasm']);
/** Engines that the tests of this package run on. */
export const testedEngines: ReadonlySet<string> = new Set(['cpu', 'wasm', 'webgpu']);

/**
 * Takes the engine that TensorFlow.js would use now, and asks it the questions on which engines are known to differ.
 *
 * @throws ShoalError `UNSUPPORTED` when no engine is registered
 */
export async function openEngine(tf: Tensorflow): Promise<Engine> {
  await tf.ready().catch(() => undefined);
  const name = tf.getBackend();
  if (!name) {
    throw new ShoalError('UNSUPPORTED', {
      op: 'backend-tfjs',
      fact: 'TensorFlow.js has no engine',
      next: 'Import one, such as @tensorflow/tfjs-backend-wasm, and call tf.setBackend with its name',
    });
  }
  const [NAN, INF] = [Number.NaN, Number.POSITIVE_INFINITY];
  const pairs = [wide([NAN, 1, 2]), wide([1, NAN, 3])] as const;
  const rows = wide([1, NAN, 2, 0]);
  const grid = (flat: Tensor): Tensor => tf.reshape(flat, [flat.size / 4, 4]);
  const vector = (data: Float32Array): Tensor => tf.tensor(data);
  const cancelling = wide([2 ** 24, 1, 1, -(2 ** 24)]);
  const [maximum, minimum, max, min, sum, log, pow] = await Promise.all([
    answers(tf, () => tf.maximum(vector(pairs[0]), vector(pairs[1])), [NAN, NAN, 3]),
    answers(tf, () => tf.minimum(vector(pairs[0]), vector(pairs[1])), [NAN, NAN, 2]),
    answers(tf, () => tf.max(grid(vector(rows)), 1), [NAN]),
    answers(tf, () => tf.min(grid(vector(rows)), 1), [NAN]),
    answers(tf, () => tf.sum(grid(vector(cancelling)), 1), [2]),
    answers(tf, () => tf.log(vector(wide([0, INF, 1]))), [-INF, INF, 0]),
    answers(tf, () => tf.pow(vector(wide([0, 1, 1, -1, 2])), vector(wide([-1, NAN, INF, -INF, NAN]))), [INF, NAN, NAN, NAN, NAN]),
  ]);
  return {
    tf,
    name,
    synchronous: synchronous.has(name),
    extremaKeepNaN: maximum && minimum,
    reductionsKeepNaN: max && min,
    sumsInDouble: sum,
    logReachesEnds: log,
    powReachesEnds: pow,
  };
}

/** Repeats numbers often enough that no engine hands the op to the CPU for being small. */
const wide = (pattern: readonly number[]): Float32Array => Float32Array.from({ length: 4080 }, (_, i) => pattern[i % pattern.length]!);

async function answers(tf: Tensorflow, run: () => Tensor, expected: readonly number[]): Promise<boolean> {
  const result = tf.keep(tf.tidy(run));
  const data = await result.data();
  result.dispose();
  return data.every((found, i) => Object.is(found + 0, expected[i % expected.length]));
}

/** @throws ShoalError `DEVICE` when TensorFlow.js has been switched to another engine since this one was opened */
export function checkEngine({ tf, name }: Engine, op: string): void {
  const now = tf.getBackend();
  if (now === name) return;
  throw new ShoalError('DEVICE', {
    op,
    fact: `TensorFlow.js was switched from the engine ${name} to ${now}`,
    next: `Call tf.setBackend('${name}'), or create a runtime for ${now}`,
  });
}

/** Waits until `tensor` and all that was asked for before it has been computed. */
export async function settle({ tf, synchronous: settled }: Engine, tensor: Tensor): Promise<void> {
  if (settled || tensor.size === 0) return;
  const probe = tf.keep(tf.tidy(() => tf.slice(tf.reshape(tensor, [-1]), 0, 1)));
  await probe.data();
  probe.dispose();
}
