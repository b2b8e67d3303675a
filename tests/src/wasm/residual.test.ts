import { apply, input, sizeOf, type Shape } from '@shoal/core';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { batchNormOp, upsampleBilinear, upsampleNearest } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { describe, expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const differences = comparison({ wasm: [mathWasm, residualWasm], reference: [mathReference, residualReference] });

const normalised: readonly Shape[] = [
  [2, 1],
  [3, 5],
  [1100, 1],
  [2, 21, 30, 3],
  [3, 17, 12, 5],
  [2, 28, 23, 64],
  [5, 7, 9, 70],
  [70, 2051],
];

describe.each(normalised.map((shape) => [shape] as const))('batch norm of %j', (shape) => {
  const c = shape.at(-1)!;
  const [x, gamma, beta] = [input('x', shape), input('gamma', [c]), input('beta', [c])];
  const parameters = { gamma: noise(c, 3).map((u) => 1 + u / 2), beta: noise(c, 4) };
  const [y, mean, variance] = apply(batchNormOp, [x, gamma, beta], { epsilon: 1e-5 });

  test('with gradient', async () => {
    const feeds = { x: noise(sizeOf(shape), 2), ...parameters, seed: noise(sizeOf(shape), 5) };
    expect(
      await differences(
        { outputs: { ...withGradients(y!, input('seed', shape), { x, gamma, beta }), mean: mean!, variance: variance! } },
        feeds,
        4e-6,
      ),
    ).toEqual([]);
  });

  test('far from zero: neither the variance nor the output is a difference of large numbers', async () => {
    const far = noise(sizeOf(shape), 2).map((u, i) => 1000 + (i % c) + Math.round(u * 512) / 1024);
    expect(await differences({ outputs: { y: y!, variance: variance! } }, { x: far, ...parameters }, 2e-6)).toEqual([]);
    expect(await differences({ outputs: { mean: mean! } }, { x: far, ...parameters }, 1e-7)).toEqual([]);
  });
});

const sizes: readonly (readonly [from: Shape, height: number, width: number])[] = [
  [[2, 9, 14, 1], 18, 28],
  [[1, 30, 21, 3], 90, 42],
  [[1, 20, 17, 64], 40, 34],
  [[2, 7, 9, 5], 11, 23],
  [[1, 40, 33, 6], 13, 7],
  [[1, 1, 1, 7], 5, 6],
  [[3, 4, 5, 9], 1, 1],
];

describe.each(sizes)('from %j to %ix%i', (shape, height, width) => {
  const x = input('x', shape);
  const output = { height, width };
  test.each([
    ['nearest, floor', upsampleNearest(x, { output })],
    ['nearest, exact', upsampleNearest(x, { output, mode: 'exact' })],
    ['bilinear', upsampleBilinear(x, { output })],
    ['bilinear, corners aligned', upsampleBilinear(x, { output, alignCorners: true })],
  ])('%s', async (_, y) => {
    expect(
      await differences(
        { outputs: withGradients(y, input('seed', y.shape), { x }) },
        { x: noise(sizeOf(shape), 2), seed: noise(sizeOf(y.shape), 3) },
      ),
    ).toEqual([]);
  });
});
