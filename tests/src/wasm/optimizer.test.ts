import { createRuntime, wasm } from '@shoal/backend-wasm';
import { input, variable, type Program, type Runtime, type Value, type Variable } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { adam, adamW, sgd, type OptimizerOptions, type OptimizerStep } from '@shoal/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noise } from './comparison.ts';

const shapes = [[3], [5, 7], [3, 3, 16, 33], [40_001]];
const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
const runtimes = new Map<string, Runtime>();
beforeAll(async () => {
  runtimes.set('reference', await createRuntime(reference()));
  for (const threads of [1, 3]) runtimes.set(`${threads}`, await createRuntime(wasm({ threads })));
});
afterAll(async () => {
  for (const runtime of runtimes.values()) await runtime.dispose();
});

interface Case {
  readonly program: Program;
  readonly variables: readonly Variable[];
}

function caseOf(optimizer: (options: OptimizerOptions) => OptimizerStep): Case {
  const parameters = shapes.map((shape, i) => variable(`p${i}`, shape, noise(sizes[i]!, i + 1)));
  const gradients = shapes.map((shape, i): Value => input(`g${i}`, shape));
  const { updates, state } = optimizer({ parameters, gradients, learningRate: input('rate', []) });
  return { program: { outputs: {}, updates }, variables: [...parameters, ...state] };
}

const rows: readonly (readonly [string, (options: OptimizerOptions) => OptimizerStep, numbers: number])[] = [
  ['sgd', sgd, 0],
  ['sgd with momentum', (options) => sgd({ ...options, momentum: 0.9 }), 0],
  ['sgd with momentum and weight decay', (options) => sgd({ ...options, momentum: 0.9, weightDecay: 0.01 }), 0],
  ['sgd with Nesterov momentum and weight decay', (options) => sgd({ ...options, momentum: 0.9, nesterov: true, weightDecay: 0.01 }), 0],
  ['adam', adam, 2],
  ['adam with weight decay', (options) => adam({ ...options, weightDecay: 0.01 }), 2],
  ['adamW', adamW, 2],
];

describe.each(rows)('%s', (_, optimizer, numbers) => {
  test('takes one step for each parameter, which writes over the old values and keeps nothing', async () => {
    const { program } = caseOf(optimizer);
    const executable = await runtimes.get('1')!.compile(program);
    const { schedule, memory } = executable;
    expect(schedule.steps.length).toBe(shapes.length + numbers);
    expect(schedule.updates.every(({ direct }) => direct)).toBe(true);
    // The gradients and the rate, which are fed.
    expect([...memory.placements.keys()].every(({ origin }) => origin.kind === 'input')).toBe(true);
    executable.dispose();
  });

  test('moves like the reference, with the same bits on any number of threads', async () => {
    const { program, variables } = caseOf(optimizer);
    const results = new Map<string, readonly Float32Array[]>();
    for (const [name, runtime] of runtimes) {
      const executable = await runtime.compile(program);
      for (let step = 0; step < 3; step++) {
        const feeds = Object.fromEntries(sizes.map((size, i) => [`g${i}`, noise(size, 10 * step + i + 5)]));
        await executable.run({ ...feeds, rate: [0.1 / (step + 1)] });
      }
      results.set(name, await Promise.all(variables.map(async (each) => Float32Array.from(await runtime.read(each)))));
      executable.dispose();
    }
    expect(results.get('3')).toEqual(results.get('1'));
    results.get('1')!.forEach((found, i) => {
      const expected = results.get('reference')![i]!;
      expect(found.findIndex((x, at) => !(Math.abs(x - expected[at]!) <= 2e-6 * Math.max(1, Math.abs(expected[at]!))))).toBe(-1);
    });
  });
});
