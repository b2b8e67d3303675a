import { apply1, constant, createRuntime, expression as e, gradients, input, map, variable, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { describe, expect, test } from 'vitest';
import { conv2d, conv2dGradientInput, conv2dOp, convTranspose2d, depthwiseConv2d, type Conv2dAttributes } from './index.ts';
import { convReference } from './reference/index.ts';

const count = (size: number): number[] => Array.from({ length: size }, (_, i) => i + 1);

/** Runs a graph without inputs. */
const evaluate = async (...values: readonly Value[]): Promise<readonly (readonly number[])[]> => {
  const runtime = await createRuntime(reference(), [convReference]);
  const executable = await runtime.compile({ outputs: Object.fromEntries(values.map((value, i) => [`v${i}`, value])) });
  const outputs = await executable.run();
  await runtime.dispose();
  return values.map((_, i) => Array.from(outputs[`v${i}`]!));
};

describe('gradients', () => {
  test('to input, weight and bias of a strided, dilated convolution', async () => {
    const x = constant(count(15), [1, 3, 5, 1]);
    const weight = constant([1, 2, 3, 4], [2, 2, 1, 1]);
    const bias = constant([7], [1]);
    const y = conv2d(x, weight, { bias, stride: 2, dilation: 2 });
    const [forward, dx, dw, db] = await evaluate(y, ...gradients(y, [x, weight, bias], { seed: constant([1, 10], [1, 1, 2, 1]) }));
    expect(forward).toEqual([1 + 2 * 3 + 3 * 11 + 4 * 13 + 7, 3 + 2 * 5 + 3 * 13 + 4 * 15 + 7]);
    expect(dx).toEqual([1, 0, 12, 0, 20, 0, 0, 0, 0, 0, 3, 0, 34, 0, 40]);
    expect(dw).toEqual([31, 53, 141, 163]);
    expect(db).toEqual([11]);
  });

  test('to the input through reflected padding land on the mirrored cells', async () => {
    const x = constant([0, 0, 0], [1, 1, 3, 1]);
    const y = conv2d(x, constant([1], [1, 1, 1, 1]), { padding: { left: 2, right: 1 }, paddingMode: 'reflect' });
    const [dx] = await evaluate(...gradients(y, [x], { seed: constant([1, 10, 100, 1000, 10000, 100000], [1, 1, 6, 1]) }));
    expect(dx).toEqual([100, 101010, 10001]);
  });

  test('of the gradient: the mixed derivative to input and weight is the upstream gradient', async () => {
    const x = constant([5, 7], [1, 1, 2, 1]);
    const weight = constant([2, 3], [1, 2, 1, 1]);
    const y = conv2d(x, weight);
    const [dx] = gradients(y, [x], { seed: constant([10], [1, 1, 1, 1]) });
    const [dxdw, dxdx] = await evaluate(...gradients(dx!, [weight, x], { seed: constant([1, 100], [1, 1, 2, 1]) }));
    expect(dxdw).toEqual([10, 1000]);
    expect(dxdx).toEqual([0, 0]);
  });
});

test('depthwiseConv2d is conv2d with one group per channel', async () => {
  const x = constant(count(24), [1, 2, 4, 3]);
  const numbers = count(12);
  const [depthwise, grouped] = await evaluate(
    depthwiseConv2d(x, constant(numbers, [1, 2, 3, 2]), { padding: { left: 1 }, stride: 2 }),
    conv2d(x, constant(numbers, [1, 2, 1, 6]), { padding: { left: 1 }, stride: 2, groups: 3 }),
  );
  expect(depthwise).toEqual(grouped);
});

test('padding contributes nothing, not even under an infinite weight', async () => {
  const [y] = await evaluate(conv2d(constant([2], [1, 1, 1, 1]), constant([Infinity, 3], [1, 2, 1, 1]), { padding: { left: 1 } }));
  expect(y).toEqual([6]);
});

describe('absorbing a scale', () => {
  const attributes: Conv2dAttributes = {
    window: { height: 1, width: 2 },
    stride: { height: 1, width: 1 },
    dilation: { height: 1, width: 1 },
    padding: { top: 0, bottom: 0, left: 1, right: 0 },
    groups: 2,
  };
  const scaled = (y: Value, scale: Value): Value => map([y, scale], (a, s) => e.mul(a, s));

  test('conv2d with bias and groups', async () => {
    const scale = constant([1, 10, 100, 1000], [4]);
    const inputs = [constant(count(12), [1, 1, 3, 4]), constant(count(16), [1, 2, 2, 4]), constant([5, 6, 7, 8], [4])];
    const absorbed = apply1(conv2dOp, conv2dOp.absorbScale!(inputs, attributes, scale), attributes);
    const [left, right] = await evaluate(absorbed, scaled(apply1(conv2dOp, inputs, attributes), scale));
    expect(left).toEqual(right);
  });

  test('transposed convolution with groups', async () => {
    const scale = constant([1, 10, 100, 1000], [4]);
    const inputs = [constant(count(18), [1, 1, 3, 6]), constant(count(24), [1, 2, 2, 6])];
    const backward = { ...attributes, inputShape: [1, 1, 3, 4] };
    const absorbed = apply1(conv2dGradientInput, conv2dGradientInput.absorbScale!(inputs, backward, scale), backward);
    const [left, right] = await evaluate(absorbed, scaled(apply1(conv2dGradientInput, inputs, backward), scale));
    expect(left).toEqual(right);
  });

  test('batch norm at inference folds into the weights, which are scaled once and not per run', async () => {
    const x = input('x', [1, 2, 2, 2]);
    const weight = variable('weight', [1, 1, 2, 3], [1, 2, 3, 4, 5, 6]);
    const gamma = variable('gamma', [3], [1, 10, 100]);
    const beta = variable('beta', [3], [7, 8, 9]);
    const normalized = map([conv2d(x, weight), gamma, beta], (y, scale, shift) => e.add(e.mul(y, scale), shift));
    const runtime = await createRuntime(reference(), [convReference]);
    const executable = await runtime.compile({ outputs: { normalized } });
    expect(executable.schedule.prelude.map(({ node }) => node.op.name)).toEqual(['core/map']);
    const first = await executable.run({ x: count(8) });
    // Cell (1, 2): 1 + 8, 2 + 10, 3 + 12, each times gamma, plus beta.
    expect(Array.from(first['normalized']!).slice(0, 3)).toEqual([9 + 7, 120 + 8, 1500 + 9]);
    await runtime.write(gamma, [2, 20, 200]);
    const second = await executable.run({ x: count(8) });
    expect(Array.from(second['normalized']!).slice(0, 3)).toEqual([18 + 7, 240 + 8, 3000 + 9]);
    await runtime.dispose();
  });
});

test('convTranspose2d is the adjoint of conv2d: <conv2d(x), y> = <x, convTranspose2d(y)>', async () => {
  const weight = constant(count(24), [2, 3, 2, 2]);
  const options = { stride: { height: 2, width: 1 }, padding: { top: 1, right: 2 }, groups: 1 };
  const x = constant(count(40), [1, 4, 5, 2]);
  const y = constant(count(20), [1, 2, 5, 2]);
  const [forward, backward] = await evaluate(
    conv2d(x, weight, options),
    convTranspose2d(y, weight, { ...options, outputPadding: { height: 1, width: 0 } }),
  );
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  expect(forward).toHaveLength(20);
  expect(backward).toHaveLength(40);
  expect(dot(forward!, count(20))).toBe(dot(count(40), backward!));
});

test('one reference kernel for each op', async () => {
  const runtime = await createRuntime(reference(), [convReference]);
  const x = input('x', [1, 4, 3, 2]);
  const weight = input('w', [2, 2, 2, 3]);
  const y = conv2d(x, weight);
  const [dx, dw] = gradients(y, [x, weight], { seed: input('dy', y.shape) });
  expect(runtime.missing({ outputs: { y, dx: dx!, dw: dw! } })).toEqual([]);
  await runtime.dispose();
});

describe('what an output cell reads', () => {
  const attributes: Conv2dAttributes = {
    window: { height: 2, width: 3 },
    stride: { height: 2, width: 1 },
    dilation: { height: 1, width: 2 },
    padding: { top: 1, bottom: 0, left: 2, right: 1 },
    groups: 2,
  };
  const along = (value: Value, input: number, axis: number) => {
    const { op, inputs, outputs, attributes: own } = value.node!;
    const rule = op.reads!({ inputs, outputs, attributes: own as never })[input]![axis]!;
    return rule === 'all' ? rule : (position: number) => rule.cells(position);
  };
  const cells = (value: Value, axis: number, position: number): unknown => {
    const rule = along(value, 0, axis);
    return typeof rule === 'string' ? rule : rule(position);
  };

  test('of a convolution: its window, and the channels of its group', () => {
    const y = apply1(conv2dOp, [input('x', [1, 8, 9, 4]), input('w', [2, 3, 2, 6])], attributes);
    expect([1, 2, 3].map((axis) => cells(y, axis, 4))).toEqual([[7, 8], [2, 4, 6], [2, 3]]); // prettier-ignore
    expect([0, 1, 2, 3].map((axis) => along(y, 1, axis))).toEqual(['all', 'all', 'all', 'all']);
    const whole = apply1(conv2dOp, [input('x', [1, 8, 9, 4]), input('w', [2, 3, 4, 6])], { ...attributes, groups: 1 });
    expect(cells(whole, 3, 4)).toBe('all');
  });

  test('of a transposed one: the windows that reach it, and the channels of its group', () => {
    const forward = apply1(conv2dOp, [input('x', [1, 8, 9, 4]), input('w', [2, 3, 2, 6])], attributes);
    const dx = apply1(conv2dGradientInput, [input('dy', forward.shape), input('w', [2, 3, 2, 6])], {
      ...attributes,
      inputShape: [1, 8, 9, 4],
    });
    // Row 4 is in the windows that start at row 3 (the third, as the first starts at -1); column 4 in those from columns 4, 2 and 0.
    expect([1, 2, 3].map((axis) => cells(dx, axis, axis === 3 ? 2 : 4))).toEqual([[2], [6, 4, 2], [3, 4, 5]]);
  });
});
