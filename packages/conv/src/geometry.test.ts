import { costOf, input, gradients, type Cost, type Shape, type Value } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { conv2d, convTranspose2d, depthwiseConv2d, type Conv2dOptions } from './index.ts';

const costOfConv = (x: Shape, weight: Shape, options: Conv2dOptions = {}): Cost =>
  costOf(conv2d(input('x', x), input('w', weight), options).node!);

describe('cost', () => {
  test('ResNet stem: 7x7/2 on 224x224 is 118.0 million multiply-accumulates, four times less than at stride 1', () => {
    expect(costOfConv([1, 224, 224, 3], [7, 7, 3, 64], { stride: 2, padding: 3 }).multiplyAccumulates).toBe(118_013_952);
    expect(costOfConv([1, 224, 224, 3], [7, 7, 3, 64], { padding: 3 }).multiplyAccumulates).toBe(472_055_808);
  });

  test('the batch multiplies it, groups divide it, padding is counted', () => {
    // oh = 5, ow = 7: 2 * 35 * 9 * (6 / 3) * 12
    expect(costOfConv([2, 5, 7, 6], [3, 3, 2, 12], { padding: 1, groups: 3 }).multiplyAccumulates).toBe(15_120);
    expect(costOf(depthwiseConv2d(input('x', [1, 6, 4, 5]), input('w', [3, 3, 5, 2])).node!).multiplyAccumulates).toBe(8 * 9 * 10);
  });

  test('a bias is one addition per output, and bytes are those of the tensors', () => {
    const cost = costOfConv([1, 3, 4, 2], [2, 2, 2, 5], { bias: input('b', [5]) });
    expect(cost).toMatchObject({ multiplyAccumulates: 6 * 4 * 2 * 5, additions: 6 * 5, bytes: 4 * (24 + 40 + 5 + 30) });
  });

  test('each gradient takes as many multiply-accumulates as the convolution', () => {
    const x = input('x', [2, 7, 5, 4]);
    const weight = input('w', [3, 2, 2, 6]);
    const y = conv2d(x, weight, { groups: 2, stride: 2, dilation: { height: 2, width: 1 }, padding: { left: 1 } });
    const forward = costOf(y.node!).multiplyAccumulates;
    const costs = gradients(y, [x, weight], { seed: input('dy', y.shape) }).map((gradient) => costOf(gradient.node!).multiplyAccumulates);
    // oh = floor((7 - 5) / 2) + 1 = 2, ow = floor((6 - 2) / 2) + 1 = 3
    expect(forward).toBe(2 * 2 * 3 * 3 * 2 * 2 * 6);
    expect(costs).toEqual([forward, forward]);
  });
});

describe('shapes', () => {
  const shapeOf = (value: Value): Shape => value.shape;

  test('conv2d', () => {
    const x = input('x', [2, 9, 6, 3]);
    const weight = input('w', [3, 2, 3, 5]);
    expect(shapeOf(conv2d(x, weight))).toEqual([2, 7, 5, 5]);
    expect(shapeOf(conv2d(x, weight, { stride: { height: 2, width: 3 }, padding: { top: 1, right: 2 } }))).toEqual([2, 4, 3, 5]);
    expect(shapeOf(conv2d(x, weight, { stride: 2, padding: 'same', dilation: 2 }))).toEqual([2, 5, 3, 5]);
    expect(shapeOf(conv2d(x, weight, { padding: { top: 4, left: 3 }, paddingMode: 'circular' }))).toEqual([2, 11, 8, 5]);
    expect(shapeOf(conv2d(input('x', [0, 9, 6, 3]), weight))).toEqual([0, 7, 5, 5]);
  });

  test('convTranspose2d gives back every size that its convolution takes', () => {
    for (const stride of [1, 2, 3]) {
      for (const dilation of [1, 2]) {
        for (const [padding, outputPadding] of [
          [0, 0],
          [1, 0],
          [2, stride - 1],
        ] as const) {
          const x = input('x', [1, 3, 4, 2]);
          const y = convTranspose2d(x, input('w', [4, 3, 5, 2]), { stride, dilation, padding, outputPadding });
          expect(y.shape).toEqual([
            1,
            2 * stride + 3 * dilation + 1 + outputPadding - 2 * padding,
            3 * stride + 2 * dilation + 1 + outputPadding - 2 * padding,
            5,
          ]);
          expect(conv2d(y, input('v', [4, 3, 5, 2]), { stride, dilation, padding }).shape).toEqual(x.shape);
        }
      }
    }
  });

  test('convTranspose2d with same padding multiplies the size by the stride', () => {
    for (const padding of ['same', 'same-lower'] as const) {
      const y = convTranspose2d(input('x', [2, 3, 5, 4]), input('w', [3, 3, 6, 4]), { stride: { height: 2, width: 4 }, padding });
      expect(y.shape).toEqual([2, 6, 20, 6]);
    }
  });
});
