import { apply, input, ShoalError, type Dtype, type ErrorCode, type Value } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import {
  adaptiveAveragePool2d,
  adaptiveMaxPool2d,
  averagePool2d,
  averagePoolGradient,
  depthToSpace,
  globalAveragePool2d,
  globalLpPool2d,
  globalMaxPool2d,
  lpPool2d,
  maxPool,
  maxPool2d,
  maxPoolGather,
  maxPoolGradient,
  maxUnpool2d,
  maxUnpoolGradient,
  spaceToDepth,
  type BlockOptions,
  type PoolOptions,
} from './index.ts';
import { resolvePool } from './window.ts';

const tensor = (shape: readonly number[], dtype: Dtype = 'f32'): Value => input('x', shape, dtype);
const x = tensor([2, 4, 5, 3]);

/** Code and message of the typed error that building a graph throws. */
function failure(build: () => unknown): readonly [code: ErrorCode, message: string] {
  try {
    build();
  } catch (error) {
    if (error instanceof ShoalError) return [error.code, error.message];
    throw error;
  }
  throw new Error('nothing was thrown');
}

type Row = readonly [what: string, options: PoolOptions, code: ErrorCode, message: string];

const windowed: readonly Row[] = [
  ['a window of 0', { window: 0 }, 'SHAPE', 'window 0 is not a positive integer. Give a window of at least 1.'],
  ['a negative window', { window: { height: 2, width: -1 } }, 'SHAPE', 'window -1 is not a positive integer. Give a window of at least 1.'],
  ['a fractional window', { window: 1.5 }, 'SHAPE', 'window 1.5 is not a positive integer. Give a window of at least 1.'],
  ['an infinite window', { window: Infinity }, 'SHAPE', 'window Infinity is not a positive integer. Give a window of at least 1.'],
  ['no window', {} as PoolOptions, 'SHAPE', 'window undefined is not a positive integer. Give a window of at least 1.'],
  ['a stride of 0', { window: 2, stride: 0 }, 'SHAPE', 'stride 0 is not a positive integer. Give a stride of at least 1.'],
  ['a negative stride', { window: 2, stride: -2 }, 'SHAPE', 'stride -2 is not a positive integer. Give a stride of at least 1.'],
  ['a dilation of 0', { window: 2, dilation: 0 }, 'SHAPE', 'dilation 0 is not a positive integer. Give a dilation of at least 1.'],
  ['a dilation of NaN', { window: 2, dilation: NaN }, 'SHAPE', 'dilation NaN is not a positive integer. Give a dilation of at least 1.'],
  [
    'a negative padding',
    { window: 2, padding: { left: -1 } },
    'SHAPE',
    'padding -1 is not a non-negative integer. Slice the input to remove cells.',
  ],
  [
    'an unknown padding',
    { window: 2, padding: 'full' as string as 'same' },
    'ATTRIBUTE',
    "unknown padding 'full'. Use a number, 'valid', 'same', 'same-lower' or { top, bottom, left, right }.",
  ],
  [
    'padding as large as the window',
    { window: { height: 3, width: 2 }, padding: { right: 2 } },
    'SHAPE',
    'padding 2 (right) is as large as the window 2. Use less padding: a window of only padding has no value.',
  ],
  [
    'a window larger than the padded input',
    { window: { height: 6, width: 5 }, padding: { top: 1 } },
    'SHAPE',
    'window 6x5 is larger than the padded input 5x5. Use a smaller window, or pad.',
  ],
  [
    'a dilated window larger than the input',
    { window: 3, dilation: { height: 2, width: 1 } },
    'SHAPE',
    'window 3x3 (dilated to 5x3) is larger than the padded input 4x5. Use a smaller window, or pad.',
  ],
  [
    'a dilated window that straddles the whole input',
    { window: 2, stride: 1, dilation: 6, padding: 5 },
    'SHAPE',
    'a window holds nothing but padding around the input 4x5. Use less padding or dilation.',
  ],
];

describe.each([
  ['pool/max', (value: Value, options: PoolOptions) => maxPool2d(value, options), ''],
  ['pool/average', (value: Value, options: PoolOptions) => averagePool2d(value, options), ', countIncludePad'],
  ['pool/lp', (value: Value, options: PoolOptions) => lpPool2d(value, options), ', p'],
])('%s', (op, pool, extra) => {
  test.each(windowed)('%s', (_, options, code, message) => expect(failure(() => pool(x, options))).toEqual([code, `${op}: ${message}`]));

  test('an unknown option', () => {
    const message = `${op}: unknown option size. Known options: window, stride, dilation, padding, ceilMode${extra}.`;
    expect(failure(() => pool(x, { window: 2, size: 3 } as PoolOptions))).toEqual(['ATTRIBUTE', message]);
  });

  test('the wrong rank', () => {
    const message = `${op}: expected [n,h,w,c], got [4,5,3]. Reshape to four axes, channels last.`;
    expect(failure(() => pool(tensor([4, 5, 3]), { window: 2 }))).toEqual(['SHAPE', message]);
  });

  test('the wrong dtype', () => {
    const message = `${op}: x is i32 where f32 is needed. Cast it with cast(value, 'f32').`;
    expect(failure(() => pool(tensor([1, 4, 5, 3], 'i32'), { window: 2 }))).toEqual(['DTYPE', message]);
  });
});

describe('other functions', () => {
  test.each([0.5, NaN, Infinity, -2])('pool/lp: p = %s', (p) => {
    const message = `p ${p} is not a finite number of at least 1. For an infinite p use max pooling.`;
    expect(failure(() => lpPool2d(x, { p, window: 2 }))).toEqual(['ATTRIBUTE', `pool/lp: ${message}`]);
    expect(failure(() => globalLpPool2d(x, { p }))).toEqual(['ATTRIBUTE', `pool/global-lp: ${message}`]);
  });

  test.each([
    ['pool/global-average', globalAveragePool2d],
    ['pool/global-max', globalMaxPool2d],
    ['pool/global-lp', (value: Value) => globalLpPool2d(value)],
    ['pool/adaptive-average', (value: Value) => adaptiveAveragePool2d(value, { output: 2 })],
    ['pool/adaptive-max', (value: Value) => adaptiveMaxPool2d(value, { output: 2 })],
  ])('%s: empty planes, wrong rank, wrong dtype', (op, pool) => {
    expect(failure(() => pool(tensor([2, 0, 5, 3])))).toEqual([
      'SHAPE',
      `${op}: the planes of [2,0,5,3] are empty. Give at least one cell.`,
    ]);
    expect(failure(() => pool(tensor([2, 3])))).toEqual([
      'SHAPE',
      `${op}: expected [n,h,w,c], got [2,3]. Reshape to four axes, channels last.`,
    ]);
    expect(failure(() => pool(tensor([1, 2, 3, 4], 'u32')))).toEqual([
      'DTYPE',
      `${op}: x is u32 where f32 is needed. Cast it with cast(value, 'f32').`,
    ]);
  });

  test('pool/adaptive-average: output sizes and options', () => {
    const op = 'pool/adaptive-average';
    expect(failure(() => adaptiveAveragePool2d(x, { output: 0 }))).toEqual([
      'SHAPE',
      `${op}: output 0 is not a positive integer. Give a output of at least 1.`,
    ]);
    const odd = { output: 2, mode: 'max' };
    expect(failure(() => adaptiveAveragePool2d(x, odd))).toEqual(['ATTRIBUTE', `${op}: unknown option mode. Known options: output.`]);
  });

  test('pool/max-unpool: winner, output and options', () => {
    const op = 'pool/max-unpool';
    const winner = tensor([2, 4, 5, 3], 'i32');
    expect(failure(() => maxUnpool2d(x, x, { output: 8 }))).toEqual([
      'DTYPE',
      `${op}: winner is f32 where i32 is needed. Cast it with cast(value, 'i32').`,
    ]);
    expect(failure(() => maxUnpool2d(winner, winner, { output: 8 }))).toEqual([
      'DTYPE',
      `${op}: x is i32 where f32 is needed. Cast it with cast(value, 'f32').`,
    ]);
    const fewer = tensor([2, 4, 5, 1], 'i32');
    expect(failure(() => maxUnpool2d(x, fewer, { output: 8 }))).toEqual([
      'SHAPE',
      `${op}: winner is [2,4,5,1] where [2,4,5,3] is needed. Give it that shape.`,
    ]);
    expect(failure(() => maxUnpool2d(x, winner, { output: -8 }))).toEqual([
      'SHAPE',
      `${op}: output -8 is not a positive integer. Give a output of at least 1.`,
    ]);
    const odd = { output: 8, stride: 2 };
    expect(failure(() => maxUnpool2d(x, winner, odd))).toEqual(['ATTRIBUTE', `${op}: unknown option stride. Known options: output.`]);
  });

  test('space to depth and back: blocks, order, options', () => {
    const [there, back] = ['pool/space-to-depth', 'pool/depth-to-space'];
    expect(failure(() => spaceToDepth(x, { block: 2 }))).toEqual([
      'SHAPE',
      `${there}: 2 does not divide the width of [2,4,5,3]. Pad, slice, or use another block.`,
    ]);
    expect(failure(() => spaceToDepth(x, { block: 3 }))).toEqual([
      'SHAPE',
      `${there}: 3 does not divide the height of [2,4,5,3]. Pad, slice, or use another block.`,
    ]);
    expect(failure(() => depthToSpace(x, { block: 2 }))).toEqual([
      'SHAPE',
      `${back}: 4 does not divide the channels of [2,4,5,3]. Pad, slice, or use another block.`,
    ]);
    expect(failure(() => spaceToDepth(x, { block: 0 }))).toEqual([
      'SHAPE',
      `${there}: block 0 is not a positive integer. Give a block of at least 1.`,
    ]);
    const order = { block: 1, order: 'DCR' as string as 'block-first' };
    expect(failure(() => spaceToDepth(x, order))).toEqual([
      'ATTRIBUTE',
      `${there}: unknown order 'DCR'. Use 'block-first' or 'channel-first'.`,
    ]);
    const extra = { block: 1, size: 2 } as BlockOptions;
    expect(failure(() => depthToSpace(x, extra))).toEqual(['ATTRIBUTE', `${back}: unknown option size. Known options: block, order.`]);
    expect(failure(() => spaceToDepth(tensor([4, 4, 3]), { block: 2 }))).toEqual([
      'SHAPE',
      `${there}: expected [n,h,w,c], got [4,4,3]. Reshape to four axes, channels last.`,
    ]);
  });
});

describe('ops given the wrong inputs', () => {
  const forward = resolvePool('pool/max', x, { window: 2 });
  const attributes = { ...forward, inputShape: x.shape };
  const [dy, winner] = [tensor([2, 2, 2, 3]), tensor([2, 2, 2, 3], 'i32')];

  test('pool/max', () =>
    expect(failure(() => apply(maxPool, [x, x], forward))).toEqual(['GRAPH', 'pool/max: got 2 inputs where 1 are needed.']));

  test('pool/max-gradient', () => {
    const op = 'pool/max-gradient';
    expect(failure(() => apply(maxPoolGradient, [x, winner], attributes))).toEqual([
      'SHAPE',
      `${op}: dy is [2,4,5,3] where [2,2,2,3] is needed. Give it that shape.`,
    ]);
    expect(failure(() => apply(maxPoolGradient, [dy, dy], attributes))).toEqual([
      'DTYPE',
      `${op}: winner is f32 where i32 is needed. Cast it with cast(value, 'i32').`,
    ]);
  });

  test('pool/max-gather', () => {
    expect(failure(() => apply(maxPoolGather, [dy, winner], attributes))).toEqual([
      'SHAPE',
      'pool/max-gather: x is [2,2,2,3] where [2,4,5,3] is needed. Give it that shape.',
    ]);
  });

  test('pool/average-gradient', () => {
    const average = { ...attributes, divisor: 'present' } as const;
    expect(failure(() => apply(averagePoolGradient, [x], average))).toEqual([
      'SHAPE',
      'pool/average-gradient: dy is [2,4,5,3] where [2,2,2,3] is needed. Give it that shape.',
    ]);
  });

  test('pool/max-unpool-gradient', () => {
    const op = 'pool/max-unpool-gradient';
    const [source, other] = [tensor([2, 4, 5, 3], 'i32'), tensor([2, 2, 2, 1], 'i32')];
    expect(failure(() => apply(maxUnpoolGradient, [x, winner, winner], {}))).toEqual([
      'SHAPE',
      `${op}: source is [2,2,2,3] where [2,4,5,3] is needed. Give it that shape.`,
    ]);
    expect(failure(() => apply(maxUnpoolGradient, [x, other, source], {}))).toEqual([
      'SHAPE',
      `${op}: dy [2,4,5,3] and winner [2,2,2,1] differ in batch or channels. Give what forward had.`,
    ]);
  });
});
