import { formatShape, sameShape, ShapeError, ShoalError, type Value, type Variable } from '@shoal/core';

/** A new value for a variable, as programs take it. */
export type Update = readonly [variable: Variable, value: Value];

/** One step of an optimizer: the updates to put into the program, and the variables the optimizer keeps between steps. */
export interface OptimizerStep {
  /** Parameters and state; all of them read the old values. */
  readonly updates: readonly Update[];
  /** For checkpoints. Each starts at 0. */
  readonly state: readonly Variable[];
}

export interface OptimizerOptions {
  readonly parameters: readonly Variable[];
  /** One per parameter, of its shape: what `gradients(loss, parameters)` returns. */
  readonly gradients: readonly Value[];
  /** A number, or a scalar f32 value such as a variable or an input when a schedule changes it. */
  readonly learningRate: number | Value;
}

/** @throws ShoalError when there are not as many gradients as parameters, or one does not fit, or the learning rate is no scalar or negative */
export function checkOptimizer(op: string, { parameters, gradients, learningRate }: OptimizerOptions): void {
  if (parameters.length !== gradients.length) {
    throw new ShoalError('GRAPH', {
      op,
      fact: `${parameters.length} parameters but ${gradients.length} gradients`,
      next: 'Pass what gradients(loss, parameters) returns',
    });
  }
  parameters.forEach(({ name, shape }, i) => {
    const own = gradients[i]!.shape;
    if (!sameShape(own, shape))
      throw new ShapeError({
        op,
        fact: `gradient ${formatShape(own)} does not fit parameter '${name}' ${formatShape(shape)}`,
        next: 'Pass what gradients(loss, parameters) returns',
      });
  });
  if (typeof learningRate === 'number') checkCoefficient(op, 'learning rate', learningRate);
  else if (learningRate.shape.length > 0) {
    throw new ShapeError({ op, fact: `learning rate of shape ${formatShape(learningRate.shape)}`, next: 'Pass a scalar' });
  }
}

/** @throws ShoalError `ATTRIBUTE` when a coefficient is outside [0, below) */
export function checkCoefficient(op: string, name: string, value: number, below = Infinity): void {
  if (!(value >= 0 && value < below)) {
    throw new ShoalError('ATTRIBUTE', {
      op,
      fact: `${name} ${value} is outside [0, ${below === Infinity ? 'infinity' : below})`,
      next: `Give a ${name} in that range`,
    });
  }
}
