import { checkOptions, variable, type Value, type Variable } from '@shoal/core';
import { add, divide, multiply, sqrt, square, subtract } from './elementwise.ts';
import { checkCoefficient, checkOptimizer, type OptimizerOptions, type OptimizerStep, type Update } from './optimizer.ts';

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the first moment; default 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  readonly epsilon?: number;
  /** {@link adam}: added to the gradient as `weightDecay * p`, default 0. {@link adamW}: shrinks the parameter, default 0.01. */
  readonly weightDecay?: number;
}

/**
 * Adam (Kingma and Ba, 2014) with PyTorch's conventions; weight decay is part of the gradient:
 *
 *     g = gradient + weightDecay * p
 *     m = beta1 * m + (1 - beta1) * g          s = beta2 * s + (1 - beta2) * g^2
 *     p = p - learningRate * (m / a) / (sqrt(s / b) + epsilon)
 *
 * a = 1 - beta1^t and b = 1 - beta2^t, t counting from 1. They are kept by the recurrence of the moments with a gradient of 1:
 * beta2 is not a float32 number, and so its rounding cancels.
 *
 * @returns `state` is `adam/first-correction` and `adam/second-correction`, then `NAME/first-moment` and `NAME/second-moment` per parameter
 * @throws ShoalError `ATTRIBUTE` when a beta is outside [0, 1) or another coefficient is negative
 */
export function adam(options: AdamOptions): OptimizerStep {
  return adamStep('math/adam', options, { decay: options.weightDecay ?? 0, decoupled: false });
}

/** {@link adam} with `p = p - learningRate * weightDecay * p` in place of the gradient's decay (Loshchilov and Hutter, 2017). */
export function adamW(options: AdamOptions): OptimizerStep {
  return adamStep('math/adam-w', options, { decay: options.weightDecay ?? 0.01, decoupled: true });
}

interface Decay {
  readonly decay: number;
  readonly decoupled: boolean;
}

function adamStep(op: string, options: AdamOptions, { decay, decoupled }: Decay): OptimizerStep {
  checkOptions(op, options, ['parameters', 'gradients', 'learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay']);
  const { parameters, gradients, learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  checkOptimizer(op, options);
  checkCoefficient(op, 'beta1', beta1, 1);
  checkCoefficient(op, 'beta2', beta2, 1);
  checkCoefficient(op, 'epsilon', epsilon);
  checkCoefficient(op, 'weight decay', decay);

  const state: Variable[] = [];
  const updates: Update[] = [];
  const average = (name: string, shape: readonly number[], beta: number, value: Value | number): Value => {
    const old = variable(name, shape);
    const next = add(multiply(old, beta), multiply(value, 1 - beta));
    state.push(old);
    updates.push([old, next]);
    return next;
  };
  const firstCorrection = average('adam/first-correction', [], beta1, 1);
  const secondCorrection = average('adam/second-correction', [], beta2, 1);
  // Of numbers: each element then needs one root and one division.
  const rate = divide(learningRate, firstCorrection);
  const scale = divide(1, sqrt(secondCorrection));
  parameters.forEach((p, i) => {
    const g = decay === 0 || decoupled ? gradients[i]! : add(gradients[i]!, multiply(p, decay));
    const first = average(`${p.name}/first-moment`, p.shape, beta1, g);
    const second = average(`${p.name}/second-moment`, p.shape, beta2, square(g));
    const step = divide(multiply(first, rate), add(multiply(sqrt(second), scale), epsilon));
    const kept = decoupled && decay !== 0 ? subtract(p, multiply(multiply(p, decay), learningRate)) : p;
    updates.push([p, subtract(kept, step)]);
  });
  return { updates, state };
}
