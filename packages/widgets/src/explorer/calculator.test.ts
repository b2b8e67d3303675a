import { convCases } from '@shoal/conv/cases';
import { poolCases } from '@shoal/pool/cases';
import type { Case, CaseTable } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { createCalculator, type Results } from './calculator.ts';
import { operatorCost, operatorNames } from './operators.ts';
import { presetNames, presets } from './presets.ts';
import { ones, type Numbers } from './state.ts';

const { signal } = new AbortController();
const calculator = await createCalculator('reference');
const evaluate = (change: Partial<Numbers>): Promise<Results> => calculator.evaluate({ ...presets.start, ...change }, signal);

describe('calculator', () => {
  test('each operator makes its own of one image', async () => {
    const { operators } = await evaluate({});
    expect(operators.max.output).toEqual([4, 2, 2, 5]);
    expect(operators.average.output).toEqual([2.5, 1, 0.75, 2.75]);
    expect(operators.convolution.output).toEqual([-1, 1, 0, 2]);
    expect(operators.spaceToDepth.output).toEqual([1, 3, 4, 2, 2, 0, 1, 1, 0, 1, 2, 0, 5, 2, 1, 3]);
    expect(operators.spaceToDepth.channels).toBe(4);
  });

  test('the gradient goes where the operator looked', async () => {
    const { operators } = await evaluate({ upstream: [1, 2, -3, 0] });
    expect(operators.max.imageGradient).toEqual([0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, -3, 0, 0, 0]);
    expect(operators.max.winners).toEqual([4, 2, 12, 10]);
    expect(operators.average.imageGradient).toEqual([0.25, 0.25, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5, -0.75, -0.75, 0, 0, -0.75, -0.75, 0, 0]);
    expect(operators.convolution.imageGradient.map((value) => value + 0)).toEqual([1, 0, 2, 0, 0, -1, 0, -2, -3, 0, 0, 0, 0, 3, 0, 0]);
    expect(operators.spaceToDepth.imageGradient).toEqual([1, 1, 2, 2, 1, 1, 2, 2, -3, -3, 0, 0, -3, -3, 0, 0]);
  });

  test('the gradient to the filter adds up what each weight met', async () => {
    const { operators } = await evaluate({ upstream: [1, 2, -3, 0] });
    expect(operators.convolution.filterGradient).toEqual([1 + 4 - 0, 3 + 0 - 3, 4 + 2 - 6, 2 + 2 - 0]);
    expect(operators.max.filterGradient).toBeNull();
  });

  test('of a tie the first cell gets everything', async () => {
    const { operators } = await evaluate(presets.tie);
    expect(operators.max.winners).toEqual([0, 2, 8, 10]);
    expect(operators.max.imageGradient).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
  });

  test('four quarters of a filter are average pooling, forward and backward', async () => {
    const { operators } = await evaluate({ ...presets.average, upstream: [3, -1, 0.5, 2] });
    expect(operators.convolution.output).toEqual(operators.average.output);
    expect(operators.convolution.imageGradient).toEqual(operators.average.imageGradient);
  });

  test('a shift by one pixel makes other outputs, a shift by the stride moves them', async () => {
    const one = await evaluate(presets.shift);
    expect(one.operators.max.output).toEqual([0, 9, 0, 9]);
    expect(one.operators.max.before).toEqual([9, 9, 9, 9]);
    expect(one.operators.max.shift).toEqual({ kind: 'changed', changed: 2, total: 4 });
    for (const [x, y] of [
      [2, 0],
      [0, -2],
      [2, 2],
    ] as const) {
      const two = await evaluate({ shift: { x, y, edge: 'circular' } });
      for (const name of operatorNames) expect(two.operators[name].shift.kind).toBe('moved');
    }
  });

  const fours = (tables: readonly CaseTable[]): readonly (readonly [string, Case])[] =>
    tables.flatMap(({ name, cases }) =>
      cases
        .filter(({ inputs, expect: wanted }) => inputs[0]?.shape.join() === '1,4,4,1' && Array.isArray(inputs[0].data) && wanted)
        .map((one) => [name, one] as const),
    );
  const shown = { 'pool/max': 'max', 'pool/average': 'average', 'pool/space-to-depth': 'spaceToDepth' } as const;
  const isShown = (table: string): table is keyof typeof shown => table in shown;
  const cases = fours([...poolCases, ...convCases]).filter(([table, { inputs }]) => isShown(table) && inputs.length === 1);

  test.each(cases)('shows what the conformance table expects: %s, $name', async (table, one) => {
    const { operators } = await evaluate({ image: one.inputs[0]!.data as readonly number[], upstream: ones });
    const result = operators[shown[table as keyof typeof shown]];
    expect(result.output).toEqual(one.expect![0]);
    if (typeof one.gradient === 'object' && 'expect' in one.gradient) expect(result.imageGradient).toEqual(one.gradient.expect[0]);
  });

  test('there are such cases, all-negative images among them', () => {
    expect(cases.map(([, { name }]) => name)).toContain('all negative: no gradient is lost');
  });

  test('WebAssembly shows the same, in float32', async () => {
    const wasm = await createCalculator('wasm');
    for (const name of presetNames) {
      const [exact, single] = [await calculator.evaluate(presets[name], signal), await wasm.evaluate(presets[name], signal)];
      expect(single).toEqual(exact);
    }
    await wasm.dispose();
  });

  test('counts pooling as well as convolution', () => {
    expect(operatorCost('max')).toMatchObject({ parameters: 0, multiplyAccumulates: 0, comparisons: 12, additions: 0, bytes: 96 });
    expect(operatorCost('average')).toMatchObject({
      parameters: 0,
      multiplyAccumulates: 0,
      comparisons: 0,
      additions: 12,
      transcendentals: 4,
      bytes: 80,
    });
    expect(operatorCost('convolution')).toMatchObject({ parameters: 4, multiplyAccumulates: 16, comparisons: 0, additions: 0, bytes: 96 });
    expect(operatorCost('spaceToDepth')).toMatchObject({ parameters: 0, multiplyAccumulates: 0, comparisons: 0, additions: 0, bytes: 128 });
  });
});
