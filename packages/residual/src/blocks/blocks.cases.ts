import { sizeOf, type Case, type CaseTable, type Shape, type Value } from '@shoal/core';
import { basicBlock } from './basic.ts';
import { bottleneckBlock } from './bottleneck.ts';
import { channelAttention } from './channel-attention.ts';
import { fireBlock } from './fire.ts';
import { downRefineBlock, fishBlock, fishGroup, upRefineBlock } from './fish.ts';
import type { BlockContext, BlockResult } from './layers.ts';
import { preActivationBlock } from './pre-activation.ts';
import { createScope, type Scope } from './scope.ts';

type Weights = Readonly<Record<string, readonly [shape: Shape, values: number | readonly number[]]>>;

/** A scope in which some variables have values already: a block that asks for them gets these. */
function scopeWith(weights: Weights): Scope {
  const scope = createScope({ seed: 1 });
  for (const [name, [shape, values]] of Object.entries(weights)) {
    scope.parameter(name, shape, () => (typeof values === 'number' ? Array.from({ length: sizeOf(shape) }, () => values) : values));
  }
  return scope;
}

/** An evaluation with weights simple enough to work the result out by hand. */
function literal(
  name: string,
  inputs: Case['inputs'],
  weights: Weights,
  build: (context: BlockContext, ...x: readonly Value[]) => BlockResult,
  expect: readonly number[],
): Case {
  return { name, inputs, build: (...x) => build({ scope: scopeWith(weights), train: false }, ...x).output, expect: [expect] };
}

/** Training with the initial weights of a seed: finite differences through every path. */
function trained(name: string, shapes: readonly Shape[], build: (context: BlockContext, ...x: readonly Value[]) => BlockResult): Case {
  return {
    name,
    inputs: shapes.map((shape) => ({ shape })),
    build: (...x) => build({ scope: createScope({ seed: 1 }), train: true }, ...x).output,
  };
}

/** Batch norm that has seen nothing yet divides by the root of 1 + epsilon. */
const untrained = 1 / Math.sqrt(1 + 1e-5);
const corners = { shape: [1, 2, 4, 1], data: [1, 3, -5, -7, 5, 7, -1, -3] };

export const blockCases: readonly CaseTable[] = [
  {
    name: 'basicBlock',
    op: null,
    cases: [
      literal(
        'without branch weights: ReLU of the input',
        [{ shape: [1, 1, 2, 2], data: [1, -2, -3, 4] }],
        { 'conv2.weight': [[3, 3, 2, 2], 0] },
        (context, x) => basicBlock(x, { ...context, channels: 2 }),
        [1, 0, 0, 4],
      ),
      literal(
        'the strided shortcut reads every second cell',
        [corners],
        {
          'conv2.weight': [[3, 3, 2, 2], 0],
          'downsample.0.weight': [
            [1, 1, 1, 2],
            [1, -1],
          ],
        },
        (context, x) => basicBlock(x, { ...context, channels: 2, stride: 2 }),
        [untrained, 0, 0, 5 * untrained],
      ),
      literal(
        'the pooled shortcut reads all cells',
        [corners],
        {
          'conv2.weight': [[3, 3, 2, 2], 0],
          'downsample.1.weight': [
            [1, 1, 1, 2],
            [1, -1],
          ],
        },
        (context, x) => basicBlock(x, { ...context, channels: 2, stride: 2, shortcut: 'pooled' }),
        [4 * untrained, 0, 0, 4 * untrained],
      ),
      trained('identity shortcut', [[2, 4, 3, 5]], (context, x) => basicBlock(x, { ...context, channels: 5 })),
      trained('strided shortcut, odd sizes', [[2, 5, 4, 3]], (context, x) => basicBlock(x, { ...context, channels: 4, stride: 2 })),
    ],
  },
  {
    name: 'bottleneckBlock',
    op: null,
    cases: [
      literal(
        'without branch weights: ReLU of the input',
        [{ shape: [1, 1, 1, 4], data: [1, -2, -3, 4] }],
        { 'conv3.weight': [[1, 1, 1, 4], 0] },
        (context, x) => bottleneckBlock(x, { ...context, channels: 4 }),
        [1, 0, 0, 4],
      ),
      trained('pooled shortcut, odd sizes', [[2, 5, 4, 3]], (context, x) =>
        bottleneckBlock(x, { ...context, channels: 8, stride: 2, shortcut: 'pooled' }),
      ),
      trained('grouped and dilated', [[2, 4, 3, 4]], (context, x) =>
        bottleneckBlock(x, { ...context, channels: 4, width: 4, groups: 2, dilation: 2 }),
      ),
    ],
  },
  {
    name: 'preActivationBlock',
    op: null,
    cases: [
      literal(
        'without branch weights: the input itself',
        [{ shape: [1, 1, 2, 2], data: [1, -2, -3, 4] }],
        { 'conv2.weight': [[3, 3, 2, 2], 0] },
        (context, x) => preActivationBlock(x, { ...context, channels: 2 }),
        [1, -2, -3, 4],
      ),
      literal(
        'the shortcut reads the activated input',
        [{ shape: [1, 1, 2, 1], data: [1, -2] }],
        {
          'conv2.weight': [[3, 3, 2, 2], 0],
          'shortcut.weight': [
            [1, 1, 1, 2],
            [1, -3],
          ],
        },
        (context, x) => preActivationBlock(x, { ...context, channels: 2 }),
        [untrained, -3 * untrained, 0, 0],
      ),
      trained('basic, strided', [[2, 5, 4, 3]], (context, x) => preActivationBlock(x, { ...context, channels: 4, stride: 2 })),
      trained('bottleneck, pooled', [[2, 4, 5, 3]], (context, x) =>
        preActivationBlock(x, { ...context, channels: 8, stride: 2, branch: 'bottleneck', shortcut: 'pooled' }),
      ),
    ],
  },
  {
    name: 'fireBlock',
    op: null,
    cases: [
      literal(
        'two cells',
        [{ shape: [1, 1, 2, 1], data: [1, -2] }],
        {
          'squeeze.weight': [[1, 1, 1, 1], 2],
          'squeeze.bias': [[1], 1],
          'expand1x1.weight': [[1, 1, 1, 1], -1],
          'expand1x1.bias': [[1], 5],
          'expand3x3.weight': [[3, 3, 1, 1], 1],
        },
        (context, x) => fireBlock(x, { ...context, squeeze: 1, expand1x1: 1, expand3x3: 1 }),
        [2, 3, 5, 3],
      ),
      trained('H≠W, N≠C', [[2, 3, 4, 5]], (context, x) => fireBlock(x, { ...context, squeeze: 3, expand1x1: 4, expand3x3: 2 })),
    ],
  },
  {
    name: 'fishBlock',
    op: null,
    cases: [
      literal(
        'group sums on the shortcut',
        [{ shape: [1, 1, 1, 8], data: [1, 2, 3, 4, -5, -6, -7, -8] }],
        { 'conv3.weight': [[1, 1, 1, 4], 0] },
        (context, x) => fishBlock(x, { ...context, channels: 4, reduce: 'group-sum' }),
        [3, 7, -11, -15],
      ),
      trained('convolution on the shortcut', [[2, 3, 4, 3]], (context, x) => fishBlock(x, { ...context, channels: 8 })),
      trained('three blocks, dilated, group sums', [[2, 4, 3, 8]], (context, x) =>
        fishGroup(x, { ...context, channels: 4, blocks: 3, dilation: 2, reduce: 'group-sum' }),
      ),
    ],
  },
  {
    name: 'channelAttention',
    op: null,
    cases: [
      literal(
        'the mean of what is above zero, squeezed and expanded',
        [{ shape: [1, 1, 2, 1], data: [3, -5] }],
        {
          '3.weight': [[1, 1, 1, 1], 2],
          '5.weight': [
            [1, 1, 1, 2],
            [1, -1],
          ],
          '5.bias': [[2], 1],
        },
        (context, x) => channelAttention(x, { ...context, channels: 2, squeeze: 1 }),
        [1 / (1 + Math.exp(-1 - 3 * untrained)), 1 / (1 + Math.exp(-1 + 3 * untrained))],
      ),
      trained('H≠W, N≠C', [[2, 3, 4, 5]], (context, x) => channelAttention(x, { ...context, channels: 4, squeeze: 3 })),
    ],
  },
  {
    name: 'upRefineBlock',
    op: null,
    cases: [
      literal(
        'sums, doubles and concatenates',
        [
          { shape: [1, 1, 1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] },
          { shape: [1, 2, 2, 4], data: [1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, -5, -6, -7, -8] },
        ],
        { '0.0.conv3.weight': [[1, 1, 1, 4], 0], '1.0.conv3.weight': [[1, 1, 1, 4], 0] },
        (context, trunk, branch) => upRefineBlock(trunk, branch, { ...context, channels: 4 }),
        [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
          [-1, -2, -3, -4],
          [-5, -6, -7, -8],
        ].flatMap((cell) => [3, 7, 11, 15, ...cell]),
      ),
      trained(
        'two blocks each',
        [
          [2, 3, 2, 8],
          [2, 6, 4, 4],
        ],
        (context, trunk, branch) => upRefineBlock(trunk, branch, { ...context, channels: 4, blocks: 2, transferBlocks: 2, dilation: 2 }),
      ),
    ],
  },
  {
    name: 'downRefineBlock',
    op: null,
    cases: [
      literal(
        'halves and concatenates',
        [
          { shape: [1, 2, 2, 4], data: [1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, 40, -5, -6, 70, -8] },
          { shape: [1, 1, 1, 4], data: [-1, -2, -3, -4] },
        ],
        { '0.0.conv3.weight': [[1, 1, 1, 4], 0], '1.0.conv3.weight': [[1, 1, 1, 4], 0] },
        (context, trunk, branch) => downRefineBlock(trunk, branch, context),
        [5, 6, 70, 40, -1, -2, -3, -4],
      ),
      trained(
        'odd sizes',
        [
          [2, 5, 6, 4],
          [2, 2, 3, 8],
        ],
        (context, trunk, branch) => downRefineBlock(trunk, branch, { ...context, blocks: 2 }),
      ),
    ],
  },
];
