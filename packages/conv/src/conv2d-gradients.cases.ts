import { apply1, type Case, type CaseTable, type Padding2d, type Shape, type Size2d } from '@shoal/core';
import { conv2dGradientInput, conv2dGradientWeight } from './conv2d.ts';
import type { Conv2dAttributes } from './geometry.ts';

interface Given {
  readonly window: readonly [height: number, width: number];
  readonly stride?: readonly [height: number, width: number];
  readonly dilation?: readonly [height: number, width: number];
  readonly padding?: Partial<Padding2d>;
  readonly groups?: number;
}

const size = ([height, width]: readonly [number, number]): Size2d => ({ height, width });

const attributes = ({ window, stride = [1, 1], dilation = [1, 1], padding = {}, groups = 1 }: Given): Conv2dAttributes => ({
  window: size(window),
  stride: size(stride),
  dilation: size(dilation),
  padding: { top: 0, bottom: 0, left: 0, right: 0, ...padding },
  groups,
});

interface Operand {
  readonly shape: Shape;
  readonly data?: readonly number[];
}

const gradientInput = (name: string, dy: Operand, weight: Operand, inputShape: Shape, given: Given, expect?: readonly number[]): Case => ({
  name,
  inputs: [dy, weight],
  build: (upstream, kernel) => apply1(conv2dGradientInput, [upstream, kernel], { ...attributes(given), inputShape }),
  ...(expect ? { expect: [expect] } : {}),
  secondOrder: true,
});

const gradientWeight = (name: string, x: Operand, dy: Operand, weightShape: Shape, given: Given, expect?: readonly number[]): Case => ({
  name,
  inputs: [x, dy],
  build: (input, upstream) => apply1(conv2dGradientWeight, [input, upstream], { ...attributes(given), weightShape }),
  ...(expect ? { expect: [expect] } : {}),
  secondOrder: true,
});

const row = (...data: readonly number[]): Operand => ({ shape: [1, 1, data.length, 1], data });
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

export const conv2dGradientInputCases: CaseTable = {
  name: 'conv2d, gradient to the input',
  op: conv2dGradientInput,
  cases: [
    gradientInput(
      '2x2/2, a column that no window reaches',
      row(1, 2),
      { shape: [2, 2, 1, 1], data: range(4) },
      [1, 2, 5, 1],
      { window: [2, 2], stride: [2, 2] },
      [1, 2, 2, 4, 0, 3, 4, 6, 8, 0],
    ),
    gradientInput(
      'windows that overlap',
      row(1, 10),
      { shape: [2, 2, 1, 1], data: range(4) },
      [1, 2, 3, 1],
      { window: [2, 2] },
      [1, 12, 20, 3, 34, 40],
    ),
    gradientInput(
      'padding left',
      row(1, 10, 100),
      { shape: [1, 2, 1, 1], data: [1, 2] },
      [1, 1, 3, 1],
      { window: [1, 2], padding: { left: 1 } },
      [12, 120, 200],
    ),
    gradientInput(
      'padding right',
      row(1, 10, 100),
      { shape: [1, 2, 1, 1], data: [1, 2] },
      [1, 1, 3, 1],
      { window: [1, 2], padding: { right: 1 } },
      [1, 12, 120],
    ),
    gradientInput(
      'dilation 2',
      row(2),
      { shape: [1, 2, 1, 1], data: [3, 5] },
      [1, 1, 3, 1],
      { window: [1, 2], dilation: [1, 2] },
      [6, 0, 10],
    ),
    gradientInput(
      'stride 2 with dilation 3',
      row(1, 10),
      { shape: [1, 2, 1, 1], data: [3, 5] },
      [1, 1, 7, 1],
      { window: [1, 2], stride: [1, 2], dilation: [1, 3] },
      [3, 0, 30, 5, 0, 50, 0],
    ),
    gradientInput(
      '2 groups',
      { shape: [1, 1, 1, 4], data: range(4) },
      { shape: [1, 1, 1, 4], data: [1, 10, 100, 1000] },
      [1, 1, 1, 2],
      { window: [1, 1], groups: 2 },
      [21, 4300],
    ),
    gradientInput('stride above the window', { shape: [2, 2, 3, 2] }, { shape: [2, 1, 3, 2] }, [2, 5, 8, 3], {
      window: [2, 1],
      stride: [3, 3],
    }),
    gradientInput(
      'groups, stride, dilation, padding on every edge another',
      { shape: [2, 4, 3, 6] },
      { shape: [2, 3, 2, 6] },
      [2, 5, 6, 4],
      { window: [2, 3], stride: [2, 3], dilation: [3, 2], padding: { top: 2, bottom: 4, left: 3, right: 4 }, groups: 2 },
    ),
  ],
};

export const conv2dGradientWeightCases: CaseTable = {
  name: 'conv2d, gradient to the weight',
  op: conv2dGradientWeight,
  cases: [
    gradientWeight('2x2 over 2x3', { shape: [1, 2, 3, 1], data: range(6) }, row(1, 10), [2, 2, 1, 1], { window: [2, 2] }, [21, 32, 54, 65]),
    gradientWeight(
      'stride 2 with dilation 2',
      { shape: [1, 3, 5, 1], data: range(15) },
      row(1, 10),
      [2, 2, 1, 1],
      { window: [2, 2], stride: [2, 2], dilation: [2, 2] },
      [31, 53, 141, 163],
    ),
    gradientWeight('padding left', row(3, 5), row(1, 10), [1, 2, 1, 1], { window: [1, 2], padding: { left: 1 } }, [30, 53]),
    gradientWeight('padding right', row(3, 5), row(1, 10), [1, 2, 1, 1], { window: [1, 2], padding: { right: 1 } }, [53, 5]),
    gradientWeight(
      '2 groups, summed over the batch',
      { shape: [2, 1, 1, 4], data: range(8) },
      { shape: [2, 1, 1, 2], data: [1, 10, 100, 1000] },
      [1, 1, 2, 2],
      { window: [1, 1], groups: 2 },
      [501, 7030, 602, 8040],
    ),
    gradientWeight('stride above the window', { shape: [2, 5, 8, 3] }, { shape: [2, 2, 3, 2] }, [2, 1, 3, 2], {
      window: [2, 1],
      stride: [3, 3],
    }),
    gradientWeight(
      'groups, stride, dilation, padding on every edge another',
      { shape: [2, 5, 6, 4] },
      { shape: [2, 4, 3, 6] },
      [2, 3, 2, 6],
      { window: [2, 3], stride: [2, 3], dilation: [3, 2], padding: { top: 2, bottom: 4, left: 3, right: 4 }, groups: 2 },
    ),
  ],
};
