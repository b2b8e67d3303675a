import { createRuntime, gradients, input, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { residualReference } from './reference/index.ts';
import { upsampleBilinear } from './upsample-bilinear.ts';
import { upsampleNearest } from './upsample-nearest.ts';

const x = input('x', [2, 5, 3, 2]);

test.each<readonly [string, (x: Value) => Value]>([
  ['nearest, a factor per axis', (a) => upsampleNearest(a, { scale: { height: 2, width: 3 } })],
  ['nearest, any size', (a) => upsampleNearest(a, { output: { height: 7, width: 2 } })],
  ['nearest, exact', (a) => upsampleNearest(a, { output: { height: 4, width: 7 }, mode: 'exact' })],
  ['bilinear', (a) => upsampleBilinear(a, { scale: 2 })],
  ['bilinear, aligned corners', (a) => upsampleBilinear(a, { output: { height: 3, width: 8 }, alignCorners: true })],
])('%s: a backend without kernels gets the same numbers', async (_, build) => {
  const y = build(x);
  const program = { outputs: { y, dx: gradients(y, [x], { seed: input('dy', y.shape) })[0]! } };
  const feeds = { x: ramp(60), dy: ramp(y.shape.reduce((a, b) => a * b, 1)) };
  const bare = await createRuntime(reference());
  const full = await createRuntime(reference(), [residualReference]);
  const expanded = await (await bare.compile(program)).run(feeds);
  const own = await (await full.compile(program)).run(feeds);
  for (const name of ['y', 'dx']) {
    expect(Array.from(expanded[name]!)).toEqual(Array.from(own[name]!, (value) => expect.closeTo(value, 12) as number));
  }
});

const ramp = (length: number): readonly number[] => Array.from({ length }, (_, i) => Math.sin(3 * i));
