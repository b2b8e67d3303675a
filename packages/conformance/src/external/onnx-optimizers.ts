import { expression as e, map, type Value } from '@shoal/core';
import type { CaseReader } from './reader.ts';

type Scalar = e.Expression;

/** What every ai.onnx.preview.training optimizer is given: rate R, update count T, and for each of n parameters its tensors, grouped by role. */
interface Given {
  readonly rate: Value;
  readonly count: number;
  readonly parameters: number;
  /** The tensor of `role` (0: parameters, 1: gradients, 2...: state) for parameter `i`. */
  readonly tensor: (role: number, i: number) => Value;
}

function given(r: CaseReader, roles: number): Given {
  const parameters = (r.case.inputs.length - 2) / roles;
  return { rate: r.value(0), count: r.constants(1)?.[0] ?? 0, parameters, tensor: (role, i) => r.value(2 + role * parameters + i) };
}

/** ONNX's optimizers, as the expressions of its specification. */
export const onnxOptimizers = {
  Momentum(r: CaseReader): void {
    const { rate, count, parameters, tensor } = given(r, 3);
    const alpha = r.number('alpha', 0);
    const beta = count > 0 ? r.number('beta', 0) : 1;
    const decay = r.number('norm_coefficient', 0);
    r.ignore('beta'); // without effect in the first update
    const nesterov = r.text('mode', 'standard') === 'nesterov';
    const velocity = (x: Scalar, g: Scalar, v: Scalar): Scalar => e.add(e.mul(alpha, v), e.mul(beta, regularized(x, g, decay)));
    for (let i = 0; i < parameters; i++) {
      const [x, g, v] = [tensor(0, i), tensor(1, i), tensor(2, i)];
      const step = (a: Scalar, b: Scalar, old: Scalar): Scalar =>
        nesterov ? e.add(regularized(a, b, decay), e.mul(alpha, velocity(a, b, old))) : velocity(a, b, old);
      r.output(
        i,
        map([x, g, v, rate], (a, b, old, by) => e.sub(a, e.mul(by, step(a, b, old)))),
      );
      r.output(
        parameters + i,
        map([x, g, v], (a, b, old) => velocity(a, b, old)),
      );
    }
  },

  Adam(r: CaseReader): void {
    const { rate, count, parameters, tensor } = given(r, 4);
    const [alpha, beta] = [r.number('alpha', 0.9), r.number('beta', 0.999)];
    const [decay, decayAfter, epsilon] = [r.number('norm_coefficient', 0), r.number('norm_coefficient_post', 0), r.number('epsilon', 1e-6)];
    const correction = count > 0 ? Math.sqrt(1 - beta ** count) / (1 - alpha ** count) : 1;
    const first = (x: Scalar, g: Scalar, v: Scalar): Scalar => e.add(e.mul(alpha, v), e.mul(1 - alpha, regularized(x, g, decay)));
    const second = (x: Scalar, g: Scalar, h: Scalar): Scalar => {
      const slope = regularized(x, g, decay);
      return e.add(e.mul(beta, h), e.mul(1 - beta, e.mul(slope, slope)));
    };
    for (let i = 0; i < parameters; i++) {
      const [x, g, v, h] = [tensor(0, i), tensor(1, i), tensor(2, i), tensor(3, i)];
      const updated = map([x, g, v, h, rate], (a, b, c, d, by) => {
        const step = e.div(first(a, b, c), e.add(e.sqrt(second(a, b, d)), epsilon));
        return e.mul(1 - decayAfter, e.sub(a, e.mul(e.mul(by, correction), step)));
      });
      r.output(i, updated);
      r.output(
        parameters + i,
        map([x, g, v], (a, b, c) => first(a, b, c)),
      );
      r.output(
        2 * parameters + i,
        map([x, g, h], (a, b, d) => second(a, b, d)),
      );
    }
  },

  Adagrad(r: CaseReader): void {
    const { rate, count, parameters, tensor } = given(r, 3);
    const [decay, epsilon] = [r.number('norm_coefficient', 0), r.number('epsilon', 1e-6)];
    const slowed = 1 / (1 + count * r.number('decay_factor', 0));
    const sum = (x: Scalar, g: Scalar, h: Scalar): Scalar => {
      const slope = regularized(x, g, decay);
      return e.add(h, e.mul(slope, slope));
    };
    for (let i = 0; i < parameters; i++) {
      const [x, g, h] = [tensor(0, i), tensor(1, i), tensor(2, i)];
      const updated = map([x, g, h, rate], (a, b, c, by) => {
        const step = e.div(regularized(a, b, decay), e.add(e.sqrt(sum(a, b, c)), epsilon));
        return e.sub(a, e.mul(e.mul(by, slowed), step));
      });
      r.output(i, updated);
      r.output(
        parameters + i,
        map([x, g, h], (a, b, c) => sum(a, b, c)),
      );
    }
  },
};

/** The gradient plus the derivative of `decay / 2 * x^2`. */
const regularized = (x: Scalar, g: Scalar, decay: number): Scalar => e.add(e.mul(decay, x), g);
