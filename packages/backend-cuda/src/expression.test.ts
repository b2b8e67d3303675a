import { expression as e } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { printConstant, printExpression } from './expression.ts';

describe('constants', () => {
  test.each<[number, 'f32' | 'i32' | 'u32', string]>([
    [0.1, 'f32', '0.10000000149011612f'],
    [3, 'f32', '3.0f'],
    [1e20, 'f32', '100000002004087730000.0f'],
    [1e30, 'f32', '1.0000000150474662e+30f'],
    [-0, 'f32', '-0.0f'],
    [Infinity, 'f32', 'shoal_float(0x7f800000u)'],
    [-1e39, 'f32', 'shoal_float(0xff800000u)'],
    [NaN, 'f32', 'shoal_float(0x7fc00000u)'],
    [-2147483648, 'i32', '(-2147483647 - 1)'],
    [-1, 'u32', '4294967295u'],
  ])('%d as %s', (value, dtype, text) => {
    expect(printConstant(value, dtype)).toBe(text);
  });
});

describe('expressions', () => {
  const leaves = { input: (k: number) => `x${k}`, coordinate: (axis: number) => `p${axis}` };
  const [x, y] = [e.operand(0), e.operand(1)];
  const [i, j] = [e.operand(0, 'i32'), e.operand(1, 'i32')];
  test('a shared subexpression is one line', () => {
    const shared = e.exp(x);
    expect(printExpression(e.add(shared, e.exp(e.operand(0))), leaves)).toEqual({
      statements: 'const float e0 = x0;\nconst float e1 = expf(e0);\nconst float e2 = e1 + e1;\n',
      result: 'e2',
    });
  });
  test.each<[string, e.Expression, string]>([
    ['select', e.select(e.lt(x, y), x, y), 'float e3 = e2 ? e0 : e1'],
    ['a whole power is a product', e.pow(x, 3), 'float e2 = e0 * e0 * e0'],
    ['a power of quarters has roots', e.pow(x, -1.75), 'float e2 = 1.0f / (e0 * sqrtf(e0) * sqrtf(sqrtf(e0)))'],
    ['any other power is the general one', e.pow(x, 0.3), 'float e2 = shoal_pow(e0, e1)'],
    ['int products wrap, as unsigned ones do', e.mul(i, j), 'int e2 = (int)((unsigned)e0 * (unsigned)e1)'],
    ['the smallest int is its own negative', e.neg(i), 'int e1 = (int)(0u - (unsigned)e0)'],
    ['a shift by 32 is a shift by 0', e.shiftRight(i, j), 'int e2 = e0 >> (e1 & 31)'],
    ['f32 to i32 saturates', e.cast(x, 'i32'), 'int e1 = shoal_to_i32(e0)'],
    ['i32 to u32 keeps bits', e.cast(i, 'u32'), 'unsigned e1 = (unsigned)e0'],
  ])('%s', (_, expression, last) => {
    expect(printExpression(expression, leaves).statements).toContain(`const ${last};\n`);
  });
});
