import { createRuntime, expression as e, map, mapOp, reduce, transpose, type CaseTable, type Case, type Runtime } from '@shoal/core';
import { reference, referenceKernel } from '@shoal/core/reference';
import { centralDifferences, checksOf, evaluate, fillInput } from '@shoal/conformance';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let oracle: Runtime;
beforeAll(async () => {
  oracle = await createRuntime(reference());
});
afterAll(() => oracle.dispose());

const table = (...cases: readonly Case[]): CaseTable => ({ name: 'test/op', op: mapOp, cases });
const square: Case = {
  name: 'square',
  inputs: [{ shape: [2, 3] }],
  build: (x) => map([x], (a) => e.mul(a, a)),
  secondOrder: true,
};

describe('fillInput', () => {
  test('distinct values are distinct, off zero, in [-1, 1) and exact in float32', () => {
    for (const shape of [[1], [5], [3, 7], [2, 4, 3, 5]]) {
      const values = [...fillInput({ shape }, 0), ...fillInput({ shape }, 1)];
      expect(new Set(values).size).toBe(values.length);
      expect(values.every((v) => v >= -1 && v < 1 && v !== 0 && Math.fround(v) === v)).toBe(true);
    }
  });

  test('values are shuffled, and differently for each input', () => {
    const [first, second] = [fillInput({ shape: [16] }, 0), fillInput({ shape: [16] }, 1)];
    const order = (data: ArrayLike<number>): string =>
      Array.from(data, (_, i) => i)
        .toSorted((a, b) => data[a]! - data[b]!)
        .join();
    expect(order(first)).not.toBe(Array.from({ length: 16 }, (_, i) => i).join());
    expect(order(first)).not.toBe(order(second));
  });

  test('positive values, labels and lists', () => {
    expect([...fillInput({ shape: [9], data: 'positive' }, 0)].every((v) => v > 0.25 && v < 1.25)).toBe(true);
    const labels = fillInput({ shape: [40], data: { labels: 3 } }, 0);
    expect(labels).toBeInstanceOf(Int32Array);
    expect(new Set(labels)).toEqual(new Set([0, 1, 2]));
    expect([...fillInput({ shape: [2], data: [0.1, -Infinity] }, 0)]).toEqual([Math.fround(0.1), -Infinity]);
    expect(() => fillInput({ shape: [3], data: [1] }, 0)).toThrow('input 0 lists 1 numbers for shape [3], which has 3');
  });
});

test('central differences of x^4 are exact to ten digits', async () => {
  const [slope] = await centralDifferences(async (x) => [x[0]! ** 4], Float64Array.of(1.5), [2]);
  expect(Math.abs(slope!.derivative - 2 * 4 * 1.5 ** 3)).toBeLessThan(1e-9);
});

describe('evaluate', () => {
  test('a right op passes forward, gradient and second order on the oracle', async () => {
    expect(checksOf(square)).toEqual(['forward', 'gradient', 'second-order']);
    for (const check of checksOf(square)) {
      const result = await evaluate(table(square), square, check, oracle, oracle);
      expect(result).toMatchObject({ table: 'test/op', case: 'square', check, ok: true, skipped: null, reason: '' });
    }
  });

  test('literal expectations are held on the oracle', async () => {
    const wrong: Case = { ...square, inputs: [{ shape: [2], data: [2, 3] }], expect: [[4, 9.00001]] };
    const result = await evaluate(table(wrong), wrong, 'forward', oracle, oracle);
    expect(result).toMatchObject({ ok: false, reason: 'output 0: element 1 is 9, expected 9.00001' });
  });

  test('a number too many or too few is a mistake in the case, and without any the outputs are finite', async () => {
    const expecting = (...literals: readonly number[][]): Case => ({ ...square, inputs: [{ shape: [1], data: [3] }], expect: literals });
    for (const one of [expecting([9], [9]), expecting()]) {
      const result = await evaluate(table(one), one, 'forward', oracle, oracle);
      expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('expectations for 1 outputs') });
    }
    const infinite: Case = { ...square, build: (x) => map([x], (a) => e.div(1, e.sub(a, a))) };
    expect(await evaluate(table(infinite), infinite, 'forward', oracle, oracle)).toMatchObject({ ok: false });
  });

  test('literal gradients replace finite differences at a kink', async () => {
    const relu: Case = {
      name: 'kink',
      inputs: [{ shape: [3], data: [-1, 0, 1] }],
      build: (x) => map([x], (a) => e.max(a, 0)),
      gradient: { expect: [[0, 0, 1]] },
    };
    expect((await evaluate(table(relu), relu, 'gradient', oracle, oracle)).ok).toBe(true);
    const half: Case = { ...relu, gradient: { expect: [[0, 0.5, 1]] } };
    expect(await evaluate(table(half), half, 'gradient', oracle, oracle)).toMatchObject({
      ok: false,
      reason: 'derivative to x0: element 1 is 0, expected 0.5',
    });
    const differenced: Case = { ...relu, gradient: 'finite-difference' };
    expect((await evaluate(table(differenced), differenced, 'gradient', oracle, oracle)).ok).toBe(false);
  });

  test('another backend is held to the oracle, in float32', async () => {
    const off = (by: number) =>
      createRuntime({
        ...reference(),
        kernels: {
          ...reference().kernels,
          mapOp: referenceKernel(mapOp, ({ inputs: [x], outputs: [y] }) => x!.data.forEach((v, i) => (y!.data[i] = v * v + by))),
        },
      });
    expect((await evaluate(table(square), square, 'forward', await off(1e-8), oracle)).ok).toBe(true);
    expect((await evaluate(table(square), square, 'forward', await off(1e-5), oracle)).ok).toBe(false);
  });

  test('what the backend lacks is skipped with the reason, and what throws fails with the message', async () => {
    const nan: Case = { ...square, needs: 'nan' };
    expect(await evaluate(table(nan), nan, 'forward', oracle, oracle, { lacks: ['nan'] })).toMatchObject({
      skipped: 'needs',
      reason: "needs 'nan', which reference does not promise",
    });
    const none: Case = { ...square, gradient: { none: 'it is a step function' } };
    expect(await evaluate(table(none), none, 'gradient', oracle, oracle)).toMatchObject({
      skipped: 'no-gradient',
      reason: 'no gradient: it is a step function',
    });
    const throwing: Case = { ...square, build: (x) => transpose(x, [0]) };
    expect(await evaluate(table(throwing), throwing, 'forward', oracle, oracle)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('core/transpose'),
    });
    const bare = await createRuntime({ ...reference(), kernels: {} });
    expect(await evaluate(table(square), square, 'forward', bare, oracle)).toMatchObject({
      skipped: 'unsupported',
      reason: 'unsupported: core/map (no kernel was given)',
    });
  });

  test('integer inputs are fed and not differentiated', async () => {
    const picked: Case = {
      name: 'picked',
      inputs: [{ shape: [4], data: { labels: 2 } }, { shape: [4] }],
      build: (label, x) =>
        reduce(
          map([label, x], (l, a) => e.select(e.eq(l, 1), a, 0)),
          { kind: 'sum' },
        ),
      gradient: { expect: [null, null] },
    };
    expect((await evaluate(table(picked), picked, 'gradient', oracle, oracle)).ok).toBe(true);
    const differenced: Case = { ...picked, gradient: 'finite-difference' };
    expect((await evaluate(table(differenced), differenced, 'gradient', oracle, oracle)).ok).toBe(true);
  });
});
