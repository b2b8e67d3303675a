import { input, topological } from '@shoal/core';
import { expect, test } from 'vitest';
import { add, gelu, multiply, sigmoid, silu } from './elementwise.ts';

test.each([
  ['gelu', gelu],
  ['sigmoid', sigmoid],
  ['silu', silu],
  ['add with a number', (x: Parameters<typeof gelu>[0]) => add(1, x)],
])('%s is one map', (_, build) => {
  expect(topological([build(input('x', [2, 3]))]).map(({ op }) => op.name)).toEqual(['core/map']);
});

test('operands broadcast, numbers take any dtype', () => {
  expect(multiply(input('a', [2, 1, 3]), input('b', [4, 1])).shape).toEqual([2, 4, 3]);
  expect(add(input('count', [], 'u32'), 1).dtype).toBe('u32');
});
