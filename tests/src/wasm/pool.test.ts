import { expression as e, input, map, sizeOf, type Shape, type Value } from '@shoal/core';
import { averagePool2d, lpPool2d, maxPool2d, maxPool2dWithWinner, maxUnpool2d, type PoolOptions } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { describe, expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const differences = comparison({ wasm: [poolWasm], reference: [poolReference] });

const windows: readonly (readonly [name: string, shape: Shape, options: PoolOptions])[] = [
  ['side by side, one channel', [2, 33, 70, 1], { window: 2 }],
  ['stem, three channels', [1, 57, 41, 3], { window: 3, stride: 2, padding: 1 }],
  ['stem, many channels', [1, 56, 40, 64], { window: 3, stride: 2, padding: 1 }],
  ['every cell, five channels', [3, 14, 19, 5], { window: 3, stride: 1, padding: 1 }],
  [
    'unequal sides and paddings',
    [1, 23, 31, 7],
    { window: { height: 4, width: 3 }, stride: { height: 3, width: 2 }, padding: { top: 3, bottom: 0, left: 1, right: 2 } },
  ],
  ['ceil mode', [2, 12, 13, 10], { window: 3, stride: 2, ceilMode: true }],
  ['dilation', [1, 20, 26, 6], { window: 3, stride: 2, dilation: { height: 2, width: 3 }, padding: 2 }],
  ['gaps between windows', [1, 21, 30, 4], { window: 2, stride: 4 }],
  ['windows too large to write out', [1, 24, 27, 5], { window: 9, stride: 2, padding: 4 }],
  ['the whole plane, channels in parts', [1, 64, 48, 70], { window: { height: 64, width: 48 } }],
  ['long rows, runs of channels in parts', [1, 4, 200, 96], { window: 3, stride: 1 }],
  ['wide and flat', [1, 1, 3000, 2], { window: { height: 1, width: 5 }, stride: { height: 1, width: 2 } }],
];

const seedOf = (y: Value): Value => input('seed', y.shape);

describe.each(windows)('%s', (_, shape, options) => {
  const x = input('x', shape);
  const feedsOf = (y: Value) => ({ x: noise(sizeOf(shape)), seed: noise(sizeOf(y.shape), 7) });

  test('maximum and winner, with gradient', async () => {
    const { output, winner } = maxPool2dWithWinner(x, options);
    expect(await differences({ outputs: { ...withGradients(output, seedOf(output), { x }), winner } }, feedsOf(output))).toEqual([]);
  });

  test('maximum alone, after and before other work', async () => {
    const y = map(
      [
        maxPool2d(
          map([x], (a) => e.sub(a, 0.25)),
          options,
        ),
      ],
      (a) => e.max(a, 0),
    );
    expect(await differences({ outputs: { y } }, { x: noise(sizeOf(shape)) })).toEqual([]);
  });

  test.each([false, true])('average, with gradient: countIncludePad %s', async (countIncludePad) => {
    const y = averagePool2d(x, { ...options, countIncludePad });
    expect(await differences({ outputs: withGradients(y, seedOf(y), { x }) }, feedsOf(y))).toEqual([]);
  });

  test('norm, with gradient: work fused on both sides', async () => {
    const y = lpPool2d(x, options);
    expect(await differences({ outputs: withGradients(y, seedOf(y), { x }) }, feedsOf(y), 2e-6)).toEqual([]);
  });

  test('NaN and infinities anywhere', async () => {
    const data = noise(sizeOf(shape));
    const odd = [NaN, Infinity, -Infinity, -0];
    for (let i = 3, n = 0; i < data.length; i += 11 + (n % 5), n++) data[i] = odd[n % odd.length]!;
    const { output, winner } = maxPool2dWithWinner(x, options);
    expect(
      await differences(
        {
          outputs: {
            output,
            winner,
            alone: maxPool2d(
              map([x], (a) => e.mul(a, 2)),
              options,
            ),
          },
        },
        { x: data },
      ),
    ).toEqual([]);
  });
});

test.each([1, 3, 5, 16, 37])('unpooling with %i channels: the last value stays, winners outside put nothing', async (channels) => {
  const shape = [2, 9, 14, channels];
  const [x, winner] = [input('x', shape), input('winner', shape, 'i32')];
  const y = maxUnpool2d(x, winner, { output: { height: 13, width: 17 } });
  const cells = Int32Array.from(noise(sizeOf(shape), 5), (u) => Math.floor(u * 150) + 75);
  expect(cells.some((cell) => cell < 0) && cells.some((cell) => cell >= 13 * 17)).toBe(true);
  expect(
    await differences(
      { outputs: withGradients(y, seedOf(y), { x }) },
      { x: noise(sizeOf(shape)), winner: cells, seed: noise(sizeOf(y.shape), 7) },
    ),
  ).toEqual([]);
});

test.each<PoolOptions>([
  { window: 2 },
  { window: 3, stride: 2 },
  { window: 3, stride: 1, padding: 1 },
  { window: 5, stride: 2, padding: 2 },
  { window: 6, stride: 1 },
])('one NaN, at each cell of the plane in turn: %j', async (options) => {
  // Whole vectors of channels: a vector that reaches into the next cell would see its NaN.
  const [height, width, channels] = [7, 9, 4];
  const cells = height * width;
  const data = noise(cells * cells * channels);
  for (let cell = 0; cell < cells; cell++) data[(cell * cells + cell) * channels + (cell % channels)] = NaN;
  const x = input('x', [cells, height, width, channels]);
  const { output, winner } = maxPool2dWithWinner(x, options);
  expect(
    await differences(
      {
        outputs: {
          output,
          winner,
          alone: maxPool2d(
            map([x], (a) => e.mul(a, 2)),
            options,
          ),
        },
      },
      { x: data },
    ),
  ).toEqual([]);
});
