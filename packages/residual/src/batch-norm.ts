import {
  apply,
  checkArity,
  checkDtype,
  checkOptions,
  expression as e,
  formatShape,
  map,
  reduce,
  sameShape,
  ShapeError,
  ShoalError,
  sizeOf,
  vjpThroughExpansion,
  type Op,
  type TensorType,
  type Value,
  type Variable,
} from '@shoal/core';
import type { Update } from '@shoal/math';

export interface BatchNormAttributes {
  /** Added to the variance before the root. */
  readonly epsilon: number;
}

const name = 'residual/batch-norm';

/** Values that each channel is normalised over: all of them, whatever the rank. */
export function valuesPerChannel(x: TensorType): number {
  return sizeOf(x.shape.slice(0, -1));
}

function checkPerChannel(op: string, x: TensorType, vectors: Readonly<Record<string, TensorType>>): void {
  checkDtype(op, 'x', x.dtype, 'f32');
  if (x.shape.length < 2) throw new ShapeError({ op, fact: `x is ${formatShape(x.shape)}`, next: 'Give [n,c] or [n,h,w,c]' });
  const channels = x.shape.at(-1)!;
  for (const [what, { shape, dtype }] of Object.entries(vectors)) {
    checkDtype(op, what, dtype, 'f32');
    if (!sameShape(shape, [channels])) {
      throw new ShapeError({ op, fact: `${what} is ${formatShape(shape)} for ${channels} channels`, next: `Give it shape [${channels}]` });
    }
  }
}

const outerAxes = (x: Value): readonly number[] => x.shape.slice(0, -1).map((_, axis) => axis);
const channelSum = (x: Value): Value => reduce(x, { kind: 'sum', axes: outerAxes(x) });

/** 1 / sqrt(variance + epsilon). */
const inverseDeviation = (variance: Value, epsilon: number): Value => map([variance], (v) => e.div(1, e.sqrt(e.add(v, epsilon))));

/**
 * Batch normalisation with the statistics of the batch (Ioffe and Szegedy, 2015): `[x, gamma, beta]`, x being [..., c] and the
 * others [c], to `y` like x and the `mean` and *biased* `variance` [c] of each channel over all other axes:
 * `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`.
 *
 * The variance is the mean square of `x - mean`, never a difference of large sums.
 */
export const batchNormOp: Op<BatchNormAttributes> = {
  name,
  infer(inputs, { epsilon }) {
    checkArity(name, inputs, 3);
    const [x, gamma, beta] = inputs;
    checkPerChannel(name, x!, { gamma: gamma!, beta: beta! });
    checkEpsilon(name, epsilon);
    if (valuesPerChannel(x!) < 2) {
      throw new ShapeError({
        op: name,
        fact: `${formatShape(x!.shape)} has fewer than two values per channel`,
        next: 'Train on larger batches, or evaluate',
      });
    }
    return [x!, gamma!, gamma!].map(({ shape, dtype }) => ({ shape, dtype }));
  },
  vjp({ inputs: [x, gamma], outputs: [, mean, variance], cotangents: [dy, dMean, dVariance], attributes }) {
    const [dx, dGamma, dBeta] = dy ? apply(batchNormGradient, [x!, gamma!, mean!, variance!, dy], attributes) : [];
    const viaStatistics = statisticsGradient(x!, mean!, dMean ?? null, dVariance ?? null);
    const total = dx && viaStatistics ? map([dx, viaStatistics], (a, b) => e.add(a, b)) : (dx ?? viaStatistics);
    return [total, dGamma ?? null, dBeta ?? null];
  },
  // Mean, centre, square, and then scale and shift.
  cost({ inputs: [x, gamma] }) {
    const [n, channels] = [sizeOf(x!.shape), sizeOf(gamma!.shape)];
    return { multiplyAccumulates: 2 * n, additions: 2 * n, transcendentals: 2 * channels };
  },
  expand([x, gamma, beta], { epsilon }) {
    const count = valuesPerChannel(x!);
    const mean = map([channelSum(x!)], (total) => e.div(total, count));
    const squares = map([x!, mean], (a, m) => e.mul(e.sub(a, m), e.sub(a, m)));
    const variance = map([channelSum(squares)], (total) => e.div(total, count));
    const scale = map([gamma!, inverseDeviation(variance, epsilon)], (g, r) => e.mul(g, r));
    return [map([x!, mean, scale, beta!], (a, m, s, b) => e.add(e.mul(e.sub(a, m), s), b)), mean, variance];
  },
};

/** What reaches x through the mean (1/n each) and the variance (2 (x - mean) / n each; its way through the mean cancels). */
function statisticsGradient(x: Value, mean: Value, dMean: Value | null, dVariance: Value | null): Value | null {
  const n = valuesPerChannel(x);
  const viaVariance = dVariance && map([x, mean, dVariance], (a, m, d) => e.mul(e.mul(2 / n, e.sub(a, m)), d));
  if (!dMean) return viaVariance;
  return viaVariance ? map([viaVariance, dMean], (v, d) => e.add(v, e.div(d, n))) : map([dMean], (d) => e.div(d, n), x.shape);
}

/**
 * The gradient of {@link batchNormOp}: `[x, gamma, mean, variance, dy]` to `[dx, dgamma, dbeta]`. With r = 1 / sqrt(variance + epsilon),
 * h = (x - mean) r and n values per channel:
 * `dbeta = sum(dy)`, `dgamma = sum(dy h)`, `dx = gamma r (dy - dbeta / n - h dgamma / n)`.
 */
export const batchNormGradient: Op<BatchNormAttributes> = {
  name: 'residual/batch-norm-gradient',
  infer(inputs, { epsilon }) {
    const op = 'residual/batch-norm-gradient';
    checkArity(op, inputs, 5);
    const [x, gamma, mean, variance, dy] = inputs;
    checkPerChannel(op, x!, { gamma: gamma!, mean: mean!, variance: variance! });
    checkEpsilon(op, epsilon);
    if (!sameShape(dy!.shape, x!.shape))
      throw new ShapeError({ op, fact: `dy is ${formatShape(dy!.shape)}, x ${formatShape(x!.shape)}`, next: 'Give them one shape' });
    return [x!, gamma!, gamma!].map(({ shape, dtype }) => ({ shape, dtype }));
  },
  vjp: vjpThroughExpansion(expandGradient),
  // Two sums, and then the combination.
  cost({ inputs: [x, gamma] }) {
    const [n, channels] = [sizeOf(x!.shape), sizeOf(gamma!.shape)];
    return { multiplyAccumulates: 2 * n, additions: 4 * n, multiplications: n, transcendentals: 2 * channels };
  },
  expand: expandGradient,
};

function expandGradient([x, gamma, mean, variance, dy]: readonly Value[], { epsilon }: BatchNormAttributes): readonly Value[] {
  const n = valuesPerChannel(x!);
  const root = inverseDeviation(variance!, epsilon);
  const normalised = map([x!, mean!, root], (a, m, r) => e.mul(e.sub(a, m), r));
  const dBeta = channelSum(dy!);
  const dGamma = channelSum(map([dy!, normalised], (d, h) => e.mul(d, h)));
  const scale = map([gamma!, root], (g, r) => e.mul(g, r));
  const dx = map([dy!, dBeta, normalised, dGamma, scale], (d, sum, h, product, s) =>
    e.mul(s, e.sub(d, e.div(e.add(sum, e.mul(h, product)), n))),
  );
  return [dx, dGamma, dBeta];
}

function checkEpsilon(op: string, epsilon: number): void {
  if (!(epsilon >= 0 && epsilon < Infinity))
    throw new ShoalError('ATTRIBUTE', { op, fact: `epsilon ${epsilon} is not a number of at least 0`, next: 'Use 1e-5' });
}

export interface BatchNormState {
  /** Scale, f32 [c]. */
  readonly gamma: Value;
  /** Shift, f32 [c]. */
  readonly beta: Value;
  /** Running mean, f32 [c]. */
  readonly mean: Variable;
  /** Running unbiased variance, f32 [c]. */
  readonly variance: Variable;
}

export interface BatchNormOptions {
  /** Normalise by the batch and move the running statistics, or normalise by the running statistics. */
  readonly train: boolean;
  /** How far the running statistics move: new = (1 - momentum) * old + momentum * batch. Default 0.1. (ONNX counts the other way.) */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * Batch normalisation of [n,h,w,c] or [n,c], per channel.
 *
 * Training normalises by the batch's biased variance and stores the *unbiased* one (times n / (n - 1)), as PyTorch does. Evaluation is
 * one multiplication and one addition per element with vectors that depend on variables alone, so it folds into a convolution before it.
 *
 * @returns the output, and the updates of the running statistics: none in evaluation
 * @throws ShapeError when a vector is not [c], or a training batch has fewer than two values per channel
 */
export function batchNorm(x: Value, state: BatchNormState, options: BatchNormOptions): { output: Value; updates: readonly Update[] } {
  checkOptions(name, options, ['train', 'momentum', 'epsilon']);
  const { gamma, beta, mean, variance } = state;
  const { train, momentum = 0.1, epsilon = 1e-5 } = options;
  checkPerChannel(name, x, { gamma, beta, mean, variance });
  checkEpsilon(name, epsilon);
  if (!(momentum >= 0 && momentum <= 1)) {
    throw new ShoalError('ATTRIBUTE', { op: name, fact: `momentum ${momentum} is outside [0, 1]`, next: 'Use 0.1' });
  }
  if (!train) {
    const scale = map([gamma, inverseDeviation(variance, epsilon)], (g, r) => e.mul(g, r));
    const shift = map([beta, mean, scale], (b, m, s) => e.sub(b, e.mul(m, s)));
    return { output: map([x, scale, shift], (a, s, t) => e.add(e.mul(a, s), t)), updates: [] };
  }
  const [output, batchMean, batchVariance] = apply(batchNormOp, [x, gamma, beta], { epsilon });
  const n = valuesPerChannel(x);
  const moved = (old: Value, batch: Value, factor: number): Value =>
    map([old, batch], (a, b) => e.add(e.mul(1 - momentum, a), e.mul(momentum * factor, b)));
  return {
    output: output!,
    updates: [
      [mean, moved(mean, batchMean!, 1)],
      [variance, moved(variance, batchVariance!, n / (n - 1))],
    ],
  };
}
