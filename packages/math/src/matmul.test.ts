import { constant, costOf, createRuntime, gradients, input, sizeOf, topological, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { matmul, matmulOp } from './matmul.ts';
import { mathReference } from './reference/index.ts';

const products = (value: Value): readonly (readonly number[])[] =>
  topological([value]).flatMap((node) => (node.op.name === matmulOp.name ? [node.outputs[0]!.shape] : []));

test('one matrix for a batch is one product, forward and backward', () => {
  const [x, w] = [input('x', [2, 3, 4]), input('w', [4, 5])];
  const y = matmul(x, w);
  expect(y.shape).toEqual([2, 3, 5]);
  expect(products(y)).toEqual([[6, 5]]);
  const [dw] = gradients(y, [w], { seed: input('dy', [2, 3, 5]) });
  expect(products(dw!)).toEqual([[4, 5]]);
});

test('counts multiply-accumulates', () => {
  const y = matmul(input('a', [7, 1, 2, 3]), input('b', [5, 4, 3]), { transposeB: true });
  expect(y.shape).toEqual([7, 5, 2, 4]);
  expect(costOf(y.node!)).toEqual({
    multiplyAccumulates: 7 * 5 * 2 * 3 * 4, additions: 0, multiplications: 0, comparisons: 0, transcendentals: 0,
    bytes: 4 * (7 * 2 * 3 + 5 * 4 * 3 + 7 * 5 * 2 * 4),
  }); // prettier-ignore
});

test.each([false, true])('a scale per column moves into b, transposed: %s', async (transposeB) => {
  const attributes = { transposeA: false, transposeB };
  const a = constant([1, 2, 3, 4], [2, 2]);
  const b = constant([5, 6, 7, 8, 9, 10], transposeB ? [3, 2] : [2, 3]);
  const scale = constant([2, 3, 5], [3]);
  const absorbed = matmulOp.absorbScale!([a, b], attributes, scale);
  const plain = matmul(a, b, { transposeB });
  const runtime = await createRuntime(reference(), [mathReference]);
  const executable = await runtime.compile({ outputs: { absorbed: matmul(absorbed[0]!, absorbed[1]!, { transposeB }), plain } });
  const found = await executable.run();
  expect(sizeOf(plain.shape)).toBe(6);
  expect(Array.from(found.absorbed!)).toEqual(Array.from(found.plain!, (value, i) => value * [2, 3, 5][i % 3]!));
  await runtime.dispose();
});
