import { expression as e } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { printConstant, printExpression } from './expression.ts';

describe('constants', () => {
  test.each<[number, 'f32' | 'i32' | 'u32', string]>([
    [0.1, 'f32', 'f32(0.10000000149011612)'],
    [3, 'f32', 'f32(3.0)'],
    [1e20, 'f32', 'f32(100000002004087730000.0)'],
    [1e30, 'f32', 'f32(1.0000000150474662e+30)'],
    [-0, 'f32', 'f32(-0.0)'],
    [Infinity, 'f32', 'bitcast<f32>(shoal_infinity)'],
    [-1e39, 'f32', 'bitcast<f32>(shoal_infinity | 0x80000000u)'],
    [NaN, 'f32', 'bitcast<f32>(shoal_infinity | 0x400000u)'],
    [-2147483648, 'i32', 'i32(-2147483648)'],
    [-1, 'u32', '4294967295u'],
  ])('%d as %s', (value, dtype, text) => {
    expect(printConstant(value, dtype)).toBe(text);
  });
});

describe('expressions', () => {
  const leaves = { input: (k: number) => `x${k}`, coordinate: (axis: number) => `p${axis}` };
  const [x, y] = [e.operand(0), e.operand(1)];
  test('a shared subexpression is one line', () => {
    const shared = e.exp(x);
    expect(printExpression(e.add(shared, e.exp(e.operand(0))), leaves)).toEqual({
      statements: 'let e0 = x0;\nlet e1 = shoal_exp(e0);\nlet e2 = e1 + e1;\n',
      result: 'e2',
    });
  });
  test.each<[string, e.Expression, string]>([
    ['select takes the false side first', e.select(e.lt(x, y), x, y), 'select(e1, e0, e2)'],
    ['a whole power is a product', e.pow(x, 3), 'e0 * e0 * e0'],
    ['a power of quarters has roots', e.pow(x, -1.75), '1.0 / (e0 * sqrt(e0) * sqrt(sqrt(e0)))'],
    ['any other power is the general one', e.pow(x, 0.3), 'shoal_pow(e0, e1)'],
    ['a negative u32 wraps', e.neg(e.operand(0, 'u32')), '0u - e0'],
    ['a shift by 32 is a shift by 0', e.shiftRight(e.operand(0, 'i32'), e.operand(1, 'i32')), 'e0 >> (u32(e1) & 31u)'],
    ['f32 to i32 saturates', e.cast(x, 'i32'), 'shoal_to_i32(e0)'],
    ['i32 to u32 keeps bits', e.cast(e.operand(0, 'i32'), 'u32'), 'bitcast<u32>(e0)'],
  ])('%s', (_, expression, last) => {
    const { statements, result } = printExpression(expression, leaves);
    expect(statements).toContain(`let ${result} = ${last};\n`);
  });
});
