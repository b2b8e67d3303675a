import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as e from './index.ts';
import type { Expression } from './index.ts';

const x = e.operand(0);
const y = e.operand(1);

describe('building', () => {
  test('numbers take the dtype of their partner', () => {
    expect(e.add(e.operand(0, 'u32'), 1)).toMatchObject({ dtype: 'u32', b: { dtype: 'u32' } });
  });
  test.each([
    [() => e.add(x, e.operand(1, 'i32')), 'expression/add: f32 and i32 do not mix. Cast one side.'],
    [() => e.exp(e.operand(0, 'i32')), "expression/exp: needs f32, got i32. Cast with cast(x, 'f32')."],
    [() => e.shiftRight(x, 1), 'expression/shiftRight: needs i32 or u32, got f32.'],
    [() => e.add(e.lt(x, y), 1), 'expression/add: a comparison is not a number. Turn it into one with select(condition, 1, 0).'],
    [() => e.select(x, 1, 0), 'expression/select: condition is f32. Compare with lt, le, gt, ge, eq or ne.'],
  ])('a wrong combination is refused by name (%#)', (build, message) => {
    expect(build).toThrow(message);
  });
});

describe('evaluation', () => {
  test('halves round to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 1e20].map((v) => e.evaluate(e.round(x), [v], []))).toEqual([
      -2, -2, -0, 0, 2, 2, 2, 1e20,
    ]);
  });
  test('max and min propagate NaN from both sides', () => {
    for (const pair of [
      [NaN, 1],
      [1, NaN],
    ])
      expect([e.max(x, y), e.min(x, y)].map((f) => e.evaluate(f, pair, []))).toEqual([NaN, NaN]);
  });
  test('integers wrap, casts truncate and saturate', () => {
    const [a, b] = [e.operand(0, 'i32'), e.operand(1, 'i32')];
    expect(e.evaluate(e.mul(a, b), [0x7fffffff, 2], [])).toBe(-2);
    expect([1e12, -1e12, -1.9, NaN].map((v) => e.evaluate(e.cast(x, 'i32'), [v], []))).toEqual([0x7fffffff, -0x80000000, -1, 0]);
    expect(e.evaluate(e.cast(x, 'u32'), [-3], [])).toBe(0);
    expect(e.evaluate(e.cast(a, 'u32'), [-1], [])).toBe(0xffffffff);
  });
});

/** Random smooth expressions over two inputs, kept away from poles. */
const smooth: fc.Arbitrary<Expression> = fc.letrec<{ tree: Expression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(x, y),
    fc.double({ min: -2, max: 2, noNaN: true }).map((v) => e.literal(v)),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.add(a, b)),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.mul(e.tanh(a), b)),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => e.div(a, e.add(1.5, e.mul(b, b)))),
    tie('tree').map((a) => e.exp(e.tanh(a))),
    tie('tree').map((a) => e.sqrt(e.add(1, e.mul(a, a)))),
    tie('tree').map((a) => e.log(e.add(2, e.mul(a, a)))),
    tie('tree').map((a) => e.pow(e.add(1, e.mul(a, a)), 1.5)),
  ),
})).tree;

describe('differentiation', () => {
  test('agrees with central differences on random expressions', () => {
    fc.assert(
      fc.property(smooth, fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: -1, max: 1, noNaN: true }), (f, a, b) => {
        const h = 1e-5;
        const numeric = (e.evaluate(f, [a + h, b], []) - e.evaluate(f, [a - h, b], [])) / (2 * h);
        fc.pre(Number.isFinite(numeric) && Math.abs(numeric) < 1e6);
        const slope = e.evaluate(e.differentiate(f, 0), [a, b], []);
        expect(Math.abs(slope - numeric)).toBeLessThan(1e-4 * Math.max(1, Math.abs(numeric), Math.abs(e.evaluate(f, [a, b], []))));
      }),
      { numRuns: 300 },
    );
  });
  test.each<[string, Expression, number, number]>([
    ['max(x, 0) at 0', e.max(x, 0), 0, 0],
    ['|x| at 0', e.abs(x), 0, 0],
    ['floor', e.floor(x), 1.5, 0],
    ['x^2', e.pow(x, 2), -3, -6],
    ['x^0.5', e.pow(x, 0.5), 4, 0.25],
  ])('%s', (_, f, at, slope) => {
    expect(e.evaluate(e.differentiate(f, 0), [at], [])).toBeCloseTo(slope, 12);
  });
});

describe('analysis', () => {
  test('simplifying never changes a finite value', () => {
    fc.assert(
      fc.property(smooth, fc.double({ min: -1, max: 1, noNaN: true }), (f, a) => {
        const [before, after] = [f, e.simplify(f)].map((g) => e.evaluate(g, [a, 0.3], []));
        fc.pre(Number.isFinite(before!));
        expect(after).toBeCloseTo(before!, 9);
      }),
    );
  });
  test('equal subexpressions appear once, whoever built them', () => {
    expect(e.linearize(e.mul(e.exp(x), e.exp(e.operand(0)))).length).toBe(3);
  });
  test('keys tell structures apart', () => {
    expect(e.expressionKey(e.sub(x, y))).not.toBe(e.expressionKey(e.sub(y, x)));
    expect(e.expressionKey(e.mul(x, 0))).not.toBe(e.expressionKey(e.mul(x, -0)));
  });
  test('f(0) = 0 is proven only where it holds for all other inputs', () => {
    expect(e.preservesZero(e.max(x, 0), 0)).toBe(true);
    expect(e.preservesZero(e.mul(x, y), 0)).toBe(true);
    expect(e.preservesZero(e.add(e.mul(x, 2), y), 0)).toBe(false); // batch norm with a shift
    expect(e.preservesZero(e.exp(x), 0)).toBe(false);
  });
  test('a cost counts shared work once', () => {
    const shared = e.exp(x);
    expect(e.expressionCost(e.add(shared, shared))).toEqual({ additions: 1, multiplications: 0, comparisons: 0, transcendentals: 1 });
  });
});
