import { createRuntime, gradients, input, reduce, variable, type Variable } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { adam, adamW } from './adam.ts';
import { square } from './elementwise.ts';
import type { OptimizerStep } from './optimizer.ts';
import { sgd } from './sgd.ts';

/** The parameter after each of the steps, its gradient being fed. */
async function descend(
  p: Variable,
  make: (gradient: ReturnType<typeof input>) => OptimizerStep,
  fed: readonly number[],
): Promise<readonly number[]> {
  const runtime = await createRuntime(reference());
  const executable = await runtime.compile({ outputs: {}, updates: make(input('gradient', [1])).updates });
  const path: number[] = [];
  for (const gradient of fed) {
    await executable.run({ gradient: [gradient] });
    path.push((await runtime.read(p))[0]!);
  }
  await runtime.dispose();
  return path;
}

const near = (expected: readonly number[]): readonly number[] => expected.map((value) => expect.closeTo(value, 12) as number);

test('plain descent has no state', async () => {
  const p = variable('p', [1], 1);
  expect(await descend(p, (g) => sgd({ parameters: [p], gradients: [g], learningRate: 0.1 }), [2, 2])).toEqual(near([0.8, 0.6]));
  expect(sgd({ parameters: [p], gradients: [p], learningRate: 0.1 }).state).toEqual([]);
});

test('momentum collects the decayed gradient', async () => {
  const p = variable('p', [1], 1);
  const options = { parameters: [p], learningRate: 0.1, momentum: 0.9, weightDecay: 0.5 };
  expect(await descend(p, (g) => sgd({ ...options, gradients: [g] }), [2, 2])).toEqual(near([0.75, 0.2875]));
  expect(sgd({ ...options, gradients: [p] }).state.map(({ name }) => name)).toEqual(['p/velocity']);
});

test('nesterov looks ahead', async () => {
  const p = variable('p', [1], 1);
  const step = sgd({ parameters: [p], gradients: [p], learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.5 });
  expect(step.updates.map(([{ name }]) => name)).toEqual(['p/velocity', 'p']);
  const path = await descend(
    p,
    (g) => sgd({ parameters: [p], gradients: [g], learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.5 }),
    [2, 2],
  );
  expect(path).toEqual(near([0.525, -0.107375]));
});

/** Adam written with powers of beta, as in the paper. */
function adamPath(fed: readonly number[], decay: { gradient: number; parameter: number }): readonly number[] {
  let [p, m, s] = [1, 0, 0];
  return fed.map((raw, i) => {
    const g = raw + decay.gradient * p;
    m = 0.9 * m + 0.1 * g;
    s = 0.999 * s + 0.001 * g * g;
    p = p * (1 - 0.1 * decay.parameter) - (0.1 * (m / (1 - 0.9 ** (i + 1)))) / (Math.sqrt(s / (1 - 0.999 ** (i + 1))) + 1e-8);
    return p;
  });
}

test('adam corrects its moments by powers of beta', async () => {
  const p = variable('p', [1], 1);
  const path = await descend(p, (g) => adam({ parameters: [p], gradients: [g], learningRate: 0.1 }), [2, -1, 0.5, 0]);
  expect(path).toEqual(near(adamPath([2, -1, 0.5, 0], { gradient: 0, parameter: 0 })));
  expect(path[0]).toBeCloseTo(0.9, 8);
});

test('adam decays the gradient, adamW the parameter', async () => {
  const [p, q] = [variable('p', [1], 1), variable('q', [1], 1)];
  const fed = [2, -1, 0.5, 0];
  const coupled = await descend(p, (g) => adam({ parameters: [p], gradients: [g], learningRate: 0.1, weightDecay: 0.2 }), fed);
  expect(coupled).toEqual(near(adamPath(fed, { gradient: 0.2, parameter: 0 })));
  const decoupled = await descend(q, (g) => adamW({ parameters: [q], gradients: [g], learningRate: 0.1 }), fed);
  expect(decoupled).toEqual(near(adamPath(fed, { gradient: 0, parameter: 0.01 })));
});

test('adam shares its corrections between parameters', () => {
  const [p, q] = [variable('p', [2], 1), variable('q', [3], 1)];
  expect(adam({ parameters: [p, q], gradients: [p, q], learningRate: 0.1 }).state.map(({ name }) => name)).toEqual([
    'adam/first-correction', 'adam/second-correction', 'p/first-moment', 'p/second-moment', 'q/first-moment', 'q/second-moment',
  ]); // prettier-ignore
});

test('the learning rate may be fed', async () => {
  const p = variable('p', [2], 3);
  const loss = reduce(square(p), { kind: 'sum' });
  const runtime = await createRuntime(reference());
  const step = sgd({ parameters: [p], gradients: gradients(loss, [p]), learningRate: input('rate', []) });
  const executable = await runtime.compile({ outputs: { loss }, updates: step.updates });
  await executable.run({ rate: [0.25] });
  expect(Array.from(await runtime.read(p))).toEqual([1.5, 1.5]);
  await executable.run({ rate: [0.5] });
  expect(Array.from(await runtime.read(p))).toEqual([0, 0]);
  await runtime.dispose();
});

test.each([
  [
    () => sgd({ parameters: [variable('p', [2])], gradients: [], learningRate: 1 }),
    'math/sgd: 1 parameters but 0 gradients. Pass what gradients(loss, parameters) returns.',
  ],
  [
    () => sgd({ parameters: [variable('p', [2])], gradients: [variable('g', [3])], learningRate: 1 }),
    "math/sgd: gradient [3] does not fit parameter 'p' [2]. Pass what gradients(loss, parameters) returns.",
  ],
  [() => sgd({ parameters: [], gradients: [], learningRate: variable('r', [2]) }), 'math/sgd: learning rate of shape [2]. Pass a scalar.'],
  [
    () => sgd({ parameters: [], gradients: [], learningRate: 1, nesterov: true }),
    'math/sgd: nesterov needs momentum. Give a momentum such as 0.9.',
  ],
  [
    () => sgd({ parameters: [], gradients: [], learningRate: 1, momentum: -1 }),
    'math/sgd: momentum -1 is outside [0, infinity). Give a momentum in that range.',
  ],
  [
    () => adam({ parameters: [], gradients: [], learningRate: 1, beta2: 1 }),
    'math/adam: beta2 1 is outside [0, 1). Give a beta2 in that range.',
  ],
  [
    () => adamW({ parameters: [], gradients: [], learningRate: 1, weightDecay: NaN }),
    'math/adam-w: weight decay NaN is outside [0, infinity). Give a weight decay in that range.',
  ],
])('wrong options are errors %#', (build, message) => {
  expect(build).toThrow(message);
});
