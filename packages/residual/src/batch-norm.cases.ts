import { apply, expression as e, map, variable, type CaseTable, type Value } from '@shoal/core';
import { batchNorm, batchNormGradient, batchNormOp } from './batch-norm.ts';

/** Mean 3 and variance 3.5 in the first channel, mean -3 and variance 3.5 in the second: with epsilon 1/2 the deviations are 2. */
const columns = { shape: [4, 2], data: [1, -1, 2, -2, 3, -3, 6, -6] };
const gamma = { shape: [2], data: [2, 4] };
const beta = { shape: [2], data: [10, 0] };
const normal = [8, 4, 9, 2, 10, 0, 13, -6];

const normalised = (epsilon: number) => (x: Value, g: Value, b: Value) => apply(batchNormOp, [x, g, b], { epsilon });

/** Running statistics of a case start at mean 0 and variance 1. */
function trained(x: Value, g: Value, b: Value): readonly Value[] {
  const state = { gamma: g, beta: b, mean: variable('mean', g.shape, 0), variance: variable('variance', g.shape, 1) };
  const { output, updates } = batchNorm(x, state, { train: true, momentum: 0.25, epsilon: 0.5 });
  return [output, ...updates.map(([, value]) => value)];
}

function evaluated(x: Value, g: Value, b: Value): Value {
  const state = { gamma: g, beta: b, mean: variable('mean', g.shape, 3), variance: variable('variance', g.shape, 3.5) };
  return batchNorm(x, state, { train: false, epsilon: 0.5 }).output;
}

export const batchNormCases: readonly CaseTable[] = [
  {
    name: 'residual/batch-norm',
    op: batchNormOp,
    cases: [
      {
        name: 'two columns: output, mean, biased variance',
        inputs: [columns, gamma, beta],
        build: normalised(0.5),
        expect: [normal, [3, -3], [3.5, 3.5]],
      },
      { name: 'H≠W, N≠C', inputs: [{ shape: [2, 3, 4, 5] }, { shape: [5] }, { shape: [5] }], build: normalised(1e-5), secondOrder: true },
      {
        name: 'rank 2',
        inputs: [{ shape: [7, 3] }, { shape: [3], data: 'positive' }, { shape: [3] }],
        build: normalised(1e-3),
        secondOrder: true,
      },
      {
        name: 'two values per channel',
        inputs: [{ shape: [2, 1, 1, 6] }, { shape: [6] }, { shape: [6] }],
        build: normalised(0.1),
        secondOrder: true,
      },
      {
        name: 'a small spread around a large mean',
        inputs: [
          { shape: [4, 1], data: [10000, 10001, 10002, 10003] },
          { shape: [1], data: [1] },
          { shape: [1], data: [0] },
        ],
        build: normalised(0),
        expect: [[-1.3416407864998738, -0.4472135954999579, 0.4472135954999579, 1.3416407864998738], [10001.5], [1.25]],
      },
      {
        name: 'gradients through output, mean and variance together',
        inputs: [{ shape: [2, 3, 2, 4] }, { shape: [4] }, { shape: [4] }],
        build: (x, g, b) => {
          const [y, mean, variance] = normalised(0.01)(x, g, b);
          return map([y!, mean!, variance!], (a, m, v) => e.add(e.mul(a, v), e.mul(m, m)));
        },
        secondOrder: true,
      },
      {
        name: 'gradients through the mean alone',
        inputs: [{ shape: [3, 2] }, gamma, beta],
        build: (...x) => normalised(0)(x[0]!, x[1]!, x[2]!)[1]!,
      },
      {
        name: 'gradients through the variance alone',
        inputs: [{ shape: [3, 2] }, gamma, beta],
        build: (...x) => normalised(0)(x[0]!, x[1]!, x[2]!)[2]!,
      },
    ],
  },
  {
    name: 'residual/batch-norm-gradient',
    op: batchNormGradient,
    cases: [
      {
        name: 'two columns',
        inputs: [
          columns,
          gamma,
          { shape: [2], data: [3, -3] },
          { shape: [2], data: [3.5, 3.5] },
          { shape: [4, 2], data: [1, 0, 0, 0, 0, 0, 0, 4] },
        ],
        build: (x, g, mean, variance, dy) => apply(batchNormGradient, [x, g, mean, variance, dy], { epsilon: 0.5 }),
        // First column: h = -1, -1/2, 0, 3/2; sum 1, product -1. Second: h = 1, 1/2, 0, -3/2; sum 4, product -6.
        expect: [
          [0.5, 1, -0.375, -0.5, -0.25, -2, 0.125, 1.5],
          [-1, -6],
          [1, 4],
        ],
      },
      {
        name: 'all inputs free, dx',
        inputs: [{ shape: [2, 3, 2, 3] }, { shape: [3] }, { shape: [3] }, { shape: [3], data: 'positive' }, { shape: [2, 3, 2, 3] }],
        build: (x, g, mean, variance, dy) => apply(batchNormGradient, [x, g, mean, variance, dy], { epsilon: 1e-3 }),
        secondOrder: true,
      },
      {
        name: 'all inputs free, dgamma',
        inputs: [{ shape: [4, 3] }, { shape: [3] }, { shape: [3] }, { shape: [3], data: 'positive' }, { shape: [4, 3] }],
        build: (x, g, mean, variance, dy) => apply(batchNormGradient, [x, g, mean, variance, dy], { epsilon: 1e-3 })[1]!,
      },
    ],
  },
  {
    name: 'batchNorm',
    op: null,
    cases: [
      {
        name: 'training moves the mean and the unbiased variance',
        inputs: [columns, gamma, beta],
        build: trained,
        expect: [normal, [0.75, -0.75], [0.75 + (0.25 * 14) / 3, 0.75 + (0.25 * 14) / 3]],
      },
      {
        name: 'evaluation',
        inputs: [columns, gamma, beta],
        build: evaluated,
        expect: [[8, -8, 9, -10, 10, -12, 13, -18]],
        secondOrder: true,
      },
      { name: 'evaluation, H≠W, N≠C', inputs: [{ shape: [2, 3, 4, 5] }, { shape: [5] }, { shape: [5] }], build: evaluated },
    ],
  },
];
