import { addCosts, apply1, costOf, gradients, input, reduce, topological, type Cost, type Node, type Value } from '@shoal/core';
import { expect, test } from 'vitest';
import {
  adaptiveAveragePool2d,
  adaptiveMaxPool2d,
  averagePool2d,
  averagePoolGradient,
  globalMaxPool2d,
  lpPool2d,
  maxPool2d,
  maxPool2dWithWinner,
  maxPoolGather,
  maxPoolGradient,
  maxUnpool2d,
  spaceToDepth,
} from './index.ts';
import { resolvePool } from './window.ts';

const names = (value: Value): readonly string[] => topological([value]).map(({ op }) => op.name);
const costs = (value: Value): Cost => addCosts(...topological([value]).map(costOf));
const slope = (y: Value, x: Value): Node => gradients(reduce(y, { kind: 'sum' }), [x])[0]!.node!;

const x = input('x', [2, 4, 6, 3]);
const odd = input('odd', [1, 3, 3, 1]);
const padded = { window: 3, stride: 2, padding: 1 };

test('max pooling compares each cell with the best so far', () => {
  // 2 images x 2x3 windows x 3 channels, 4 cells each; reads 144, writes 36 and their winners
  expect(costs(maxPool2d(x, { window: 2 }))).toMatchObject({
    comparisons: 36 * 3,
    additions: 0,
    multiplyAccumulates: 0,
    bytes: 4 * (144 + 36 + 36),
  });
});

test('padding is neither compared nor added', () => {
  expect(costs(maxPool2d(odd, padded)).comparisons).toBe(4 * (4 - 1));
  expect(costs(averagePool2d(odd, padded))).toMatchObject({ additions: 4 * (4 - 1), transcendentals: 4, comparisons: 0 });
});

test('backward pooling is counted too', () => {
  const window = resolvePool('pool', odd, padded);
  const attributes = { ...window, inputShape: odd.shape };
  const dy = input('dy', [1, 2, 2, 1]);
  const winner = input('winner', [1, 2, 2, 1], 'i32');
  expect(costs(apply1(maxPoolGradient, [dy, winner], attributes))).toMatchObject({ additions: 4, bytes: 4 * (4 + 4 + 9) });
  expect(costs(apply1(maxPoolGather, [odd, winner], attributes))).toMatchObject({ additions: 0, comparisons: 0, bytes: 4 * (4 + 4 + 4) });
  // 16 shares arrive at 9 cells
  expect(costs(apply1(averagePoolGradient, [dy], { ...attributes, divisor: 'present' }))).toMatchObject({
    additions: 16 - 9,
    transcendentals: 4,
  });
  expect(costs(apply1(averagePoolGradient, [dy], { ...attributes, divisor: 'one' }))).toMatchObject({
    additions: 16 - 9,
    transcendentals: 0,
  });
});

test('Lp pooling counts its squares, sums and roots', () => {
  expect(costs(lpPool2d(x, { window: 2 }))).toMatchObject({ multiplications: 144, additions: 36 * 3, transcendentals: 36 });
});

test('moving blocks computes nothing', () => {
  expect(costs(spaceToDepth(x, { block: 2 }))).toMatchObject({ additions: 0, multiplications: 0, comparisons: 0 });
});

test('all attributes reach the backward ops', () => {
  const options = {
    window: { height: 2, width: 3 },
    stride: 2,
    dilation: { height: 2, width: 1 },
    padding: { top: 1, right: 2 },
    ceilMode: true,
  };
  const expected = { ...resolvePool('pool', x, options), inputShape: x.shape };
  const [max, average] = [slope(maxPool2d(x, options), x), slope(averagePool2d(x, { ...options, countIncludePad: true }), x)];
  expect([max.op.name, max.attributes]).toEqual(['pool/max-gradient', expected]);
  expect([average.op.name, average.attributes]).toEqual(['pool/average-gradient', { ...expected, divisor: 'padded' }]);
});

test('the gradient of a max gradient is a gather by winner, and the other way round', () => {
  const dy = input('dy', [2, 2, 3, 3]);
  const { winner } = maxPool2dWithWinner(x, { window: 2 });
  const attributes = { ...resolvePool('pool', x, { window: 2 }), inputShape: x.shape };
  expect(slope(apply1(maxPoolGradient, [dy, winner], attributes), dy).op).toBe(maxPoolGather);
  expect(slope(apply1(maxPoolGather, [x, winner], attributes), x).op).toBe(maxPoolGradient);
});

test('unpooling takes no gradient to the winners', () => {
  const winner = input('winner', [2, 4, 6, 3], 'i32');
  expect(slope(maxUnpool2d(x, winner, { output: 12 }), x).op.name).toBe('pool/max-unpool-gradient');
});

test('adaptive and global pooling are one pooling where all windows are alike', () => {
  expect(names(adaptiveAveragePool2d(x, { output: { height: 2, width: 3 } }))).toEqual(['pool/average']);
  expect(names(adaptiveMaxPool2d(input('five', [1, 5, 5, 1]), { output: 2 }))).toEqual(['pool/max']); // 3x3, overlapping
  expect(names(globalMaxPool2d(x))).toEqual(['pool/max']);
});

test('the stride defaults to the window, and padding to none', () => {
  expect(maxPool2d(input('large', [1, 9, 8, 1]), { window: { height: 3, width: 2 } }).shape).toEqual([1, 3, 4, 1]);
});
