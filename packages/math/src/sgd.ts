import { checkOptions, ShoalError, variable, type Value, type Variable } from '@shoal/core';
import { add, multiply, subtract } from './elementwise.ts';
import { checkCoefficient, checkOptimizer, type OptimizerOptions, type OptimizerStep, type Update } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** Default 0: no state. */
  readonly momentum?: number;
  /** Looks ahead by one momentum step. Default false. */
  readonly nesterov?: boolean;
  /** Adds `weightDecay * p` to the gradient. Default 0. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent with PyTorch's conventions (Sutskever et al., "On the importance of initialization and momentum", 2013):
 *
 *     g = gradient + weightDecay * p
 *     v = momentum * v + g                  v starts at 0, and the learning rate is no part of it
 *     p = p - learningRate * (nesterov ? g + momentum * v : v)
 *
 * @returns with momentum, `state` is one `NAME/velocity` per parameter
 * @throws ShoalError `ATTRIBUTE` on a negative coefficient, and on `nesterov` without momentum
 */
export function sgd(options: SgdOptions): OptimizerStep {
  checkOptions('math/sgd', options, ['parameters', 'gradients', 'learningRate', 'momentum', 'nesterov', 'weightDecay']);
  const { parameters, gradients, learningRate, momentum = 0, nesterov = false, weightDecay = 0 } = options;
  checkOptimizer('math/sgd', options);
  checkCoefficient('math/sgd', 'momentum', momentum);
  checkCoefficient('math/sgd', 'weight decay', weightDecay);
  if (nesterov && momentum === 0)
    throw new ShoalError('ATTRIBUTE', { op: 'math/sgd', fact: 'nesterov needs momentum', next: 'Give a momentum such as 0.9' });

  const state: Variable[] = [];
  const updates: Update[] = [];
  const momentumStep = (p: Variable, g: Value): Value => {
    const velocity = variable(`${p.name}/velocity`, p.shape);
    const next = add(multiply(velocity, momentum), g);
    state.push(velocity);
    updates.push([velocity, next]);
    return nesterov ? add(g, multiply(next, momentum)) : next;
  };
  parameters.forEach((p, i) => {
    const g = weightDecay === 0 ? gradients[i]! : add(gradients[i]!, multiply(p, weightDecay));
    const direction = momentum === 0 ? g : momentumStep(p, g);
    updates.push([p, subtract(p, multiply(direction, learningRate))]);
  });
  return { updates, state };
}
