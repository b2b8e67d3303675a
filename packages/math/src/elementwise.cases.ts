import type { Case, CaseTable, Value } from '@shoal/core';
import {
  abs,
  add,
  clamp,
  divide,
  exp,
  gelu,
  leakyRelu,
  log,
  maximum,
  minimum,
  multiply,
  negate,
  power,
  relu,
  sigmoid,
  silu,
  sqrt,
  square,
  subtract,
  tanh,
} from './elementwise.ts';

/** A function of one tensor: literal points, where kinks may lie, and finite differences over distinct numbers. */
function unary(
  name: string,
  build: (x: Value) => Value,
  points: readonly number[],
  expect: readonly number[],
  slopes?: readonly number[],
): CaseTable {
  const literal: Case = {
    name: 'literal points',
    inputs: [{ shape: [points.length], data: points }],
    build: (x) => build(x),
    expect: [expect],
    ...(slopes ? { gradient: { expect: [slopes] } } : {}),
  };
  const data = points.every((x) => x > 0) ? 'positive' : 'distinct';
  const differences: Case = { name: '2x3x5', inputs: [{ shape: [2, 3, 5], data }], build: (x) => build(x), secondOrder: true };
  return { name: `math/${name}`, op: null, cases: [literal, differences] };
}

/** A function of two tensors: literal points, broadcasting both ways, and a number on either side. */
function binary(name: string, build: (a: Value | number, b: Value | number) => Value, expect: readonly number[]): CaseTable {
  const ramp = { shape: [2, 2], data: [1, 2, 4, 8] };
  return {
    name: `math/${name}`,
    op: null,
    cases: [
      {
        name: 'literal points, a row against a matrix',
        inputs: [ramp, { shape: [2], data: [4, 3] }],
        build: (a, b) => build(a, b),
        expect: [expect],
      },
      {
        name: 'broadcasts both ways',
        inputs: [
          { shape: [2, 1, 3], data: 'positive' },
          { shape: [4, 1], data: 'positive' },
        ],
        build: (a, b) => build(a, b),
        secondOrder: true,
      },
      { name: 'a number on the right', inputs: [ramp], build: (a) => build(build(a, 4), 3), secondOrder: true },
      { name: 'a number on the left', inputs: [{ shape: [3], data: 'positive' }], build: (a) => build(2.5, a), secondOrder: true },
    ],
  };
}

export const elementwiseCases: readonly CaseTable[] = [
  binary('add', add, [5, 5, 8, 11]),
  binary('subtract', subtract, [-3, -1, 0, 5]),
  binary('multiply', multiply, [4, 6, 16, 24]),
  binary('divide', divide, [0.25, 2 / 3, 1, 8 / 3]),
  binary('power', power, [1, 8, 256, 512]),
  {
    name: 'math/maximum',
    op: null,
    cases: [
      {
        name: 'the gradient of a tie goes to b',
        inputs: [
          { shape: [3], data: [1, 2, 5] },
          { shape: [3], data: [3, 2, 4] },
        ],
        build: (a, b) => maximum(a, b),
        expect: [[3, 2, 5]],
        gradient: {
          expect: [
            [0, 0, 1],
            [1, 1, 0],
          ],
        },
      },
      { name: 'broadcasts', inputs: [{ shape: [2, 3] }, { shape: [3] }], build: (a, b) => maximum(a, b) },
      {
        name: 'keeps NaN',
        inputs: [{ shape: [2], data: [NaN, -1] }],
        build: (a) => maximum(a, 0),
        expect: [[NaN, 0]],
        gradient: { none: 'NaN has no slope' },
        needs: 'nan',
      },
    ],
  },
  {
    name: 'math/minimum',
    op: null,
    cases: [
      {
        name: 'the gradient of a tie goes to b',
        inputs: [
          { shape: [3], data: [1, 2, 5] },
          { shape: [3], data: [3, 2, 4] },
        ],
        build: (a, b) => minimum(a, b),
        expect: [[1, 2, 4]],
        gradient: {
          expect: [
            [1, 0, 0],
            [0, 1, 1],
          ],
        },
      },
      { name: 'broadcasts', inputs: [{ shape: [2, 3] }, { shape: [3] }], build: (a, b) => minimum(a, b) },
    ],
  },
  unary('negate', negate, [-1, 2], [1, -2]),
  unary('abs', abs, [-2, 0, 3], [2, 0, 3], [-1, 0, 1]),
  unary('exp', exp, [-1, 0, 2], [0.36787944117144233, 1, 7.38905609893065]),
  unary('log', log, [0.25, 1, 4], [-1.3862943611198906, 0, 1.3862943611198906], [4, 1, 0.25]),
  unary('sqrt', sqrt, [0.25, 1, 9], [0.5, 1, 3], [1, 0.5, 1 / 6]),
  unary('square', square, [-3, 0, 2], [9, 0, 4]),
  unary('tanh', tanh, [-1, 0, 0.5], [-0.7615941559557649, 0, 0.46211715726000974]),
  unary('relu', relu, [-1, 0, 2, 3], [0, 0, 2, 3], [0, 0, 1, 1]),
  unary('leaky-relu', (x) => leakyRelu(x, { slope: 0.25 }), [-2, 0, 3], [-0.5, 0, 3], [0.25, 0.25, 1]),
  unary(
    'sigmoid',
    sigmoid,
    [-200, -2, 0, 2, 200],
    [0, 0.11920292202211755, 0.5, 0.8807970779778823, 1],
    [0, 0.10499358540350651, 0.25, 0.10499358540350651, 0],
  ),
  unary('silu', silu, [-1, 0, 1, 2], [-0.2689414213699951, 0, 0.7310585786300049, 1.7615941559557646]),
  unary('gelu', gelu, [-1, 0, 1, 2], [-0.15880800939172324, 0, 0.8411919906082768, 1.954597694087775]),
  unary('clamp', (x) => clamp(x, { min: -1.5, max: 2 }), [-2, -1.5, 0, 2, 3], [-1.5, -1.5, 0, 2, 2], [0, 0, 1, 0, 0]),
  unary('clamp from below', (x) => clamp(x, { min: -0.5 }), [-2, 0, 3], [-0.5, 0, 3], [0, 1, 1]),
];
