import { createRuntime, expression as e, input, map, reduce, variable, type Value } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { wasm } from './backend.ts';

/** Of one tile, of a few, and of many. */
const lengths = [1, 3, 500, 20_000, 30_000, 70_001, 200_003];

describe.each([1, 2, 3, 5])('rounds on %i threads', (threads) => {
  test('steps of a round are each computed, once, whole or step by step', async () => {
    const runtime = await createRuntime(wasm({ threads }));
    const variables = [...lengths, ...lengths.toReversed()].map((length, i) =>
      variable(
        `w${i}`,
        [length],
        Float32Array.from({ length }, (_, at) => at % 7),
      ),
    );
    const one = input('one', []);
    const next = (w: Value, i: number): Value => map([w, one], (x, y) => e.add(e.mul(x, 2), e.mul(y, i)));
    const outputs = { totals: reduce(variables[5]!, { kind: 'max' }), most: reduce(variables[6]!, { kind: 'max' }) };
    const executable = await runtime.compile({ outputs, updates: variables.map((w, i) => [w, next(w, i)] as const) });
    const { rounds } = executable.memory;
    const steps = executable.schedule.steps.length;
    expect(steps).toBe(2 + variables.length);
    // Small updates come last, and are one round.
    const [first, last] = rounds.at(-1)!;
    expect([rounds.length, last - first + 1]).toEqual(threads === 1 ? [steps, 1] : [3, 11]);
    const feeds = { one: Float32Array.of(1) };
    expect(await executable.run(feeds)).toEqual({ totals: Float32Array.of(6), most: Float32Array.of(6) });
    const { steps: times } = await executable.timed(feeds, { profile: true });
    // Each step, and the end of the run.
    expect(times).toHaveLength(steps + 1);
    await executable.run(feeds);
    for (const [i, w] of variables.entries()) {
      const expected = Float32Array.from({ length: w.shape[0]! }, (_, at) => 8 * (at % 7) + 7 * i);
      expect(await runtime.read(w)).toEqual(expected);
    }
    await runtime.dispose();
  });
});
