import { expression as e, input, map, sizeOf, type Shape } from '@shoal/core';
import { matmul } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { describe, expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const differences = comparison({ wasm: [mathWasm], reference: [mathReference] });

const products: readonly (readonly [m: number, k: number, n: number])[] = [
  [1, 1, 1],
  [1, 37, 50],
  [2, 64, 5],
  [3, 5, 33],
  [4, 130, 8],
  [5, 3, 9],
  [7, 66, 1],
  [13, 21, 40],
  [67, 33, 29],
  [100, 64, 150],
  [1, 4500, 6],
  [2, 2100, 7],
  [9, 2500, 11],
];

describe.each(products)('%ix%i times %i columns', (m, k, n) => {
  test.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('transposed: %s, %s', async (transposeA, transposeB) => {
    const a = input('a', transposeA ? [k, m] : [m, k]);
    const b = input('b', transposeB ? [n, k] : [k, n]);
    const bias = input('bias', [n]);
    const feeds = { a: noise(m * k, 2), b: noise(k * n, 3), bias: noise(n, 4) };
    const y = map([matmul(a, b, { transposeA, transposeB, bias })], (x) => e.max(x, 0));
    expect(await differences({ outputs: { y } }, feeds, 2e-6)).toEqual([]);
    const plain = matmul(a, b, { transposeA, transposeB });
    const outputs = withGradients(plain, input('seed', [m, n]), { a, b });
    expect(await differences({ outputs }, { a: feeds.a, b: feeds.b, seed: noise(m * n, 5) }, 2e-6)).toEqual([]);
  });
});

const batches: readonly (readonly [a: Shape, b: Shape])[] = [
  [
    [5, 9, 20],
    [5, 20, 11],
  ],
  [
    [3, 1, 2, 7],
    [4, 7, 9],
  ],
  [
    [2, 9, 6],
    [6, 13],
  ],
  [
    [9, 6],
    [3, 2, 6, 13],
  ],
  [
    [2, 3, 1, 12],
    [3, 12, 1],
  ],
];

test.each(batches)('batches %j and %j', async (left, right) => {
  const [a, b] = [input('a', left), input('b', right)];
  const y = matmul(a, b);
  expect(
    await differences(
      { outputs: withGradients(y, input('seed', y.shape), { a, b }) },
      { a: noise(sizeOf(left), 2), b: noise(sizeOf(right), 3), seed: noise(sizeOf(y.shape), 5) },
    ),
  ).toEqual([]);
});

test('nothing to add up gives 0', async () => {
  expect(await differences({ outputs: { y: matmul(input('a', [3, 0]), input('b', [0, 5])) } }, { a: [], b: [] })).toEqual([]);
});

test('what lies beyond a row never reaches the result', async () => {
  const [a, b] = [input('a', [2, 5]), input('b', [3, 5])];
  const y = matmul(a, b, { transposeB: true });
  expect(
    await differences({ outputs: { y } }, { a: [1, 2, 3, 4, 5, NaN, 1, 1, 1, 1], b: [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, Infinity, 1, 1, 1, 1] }),
  ).toEqual([]);
});
