import { describe, expect, test } from 'vitest';
import * as e from '../expression/index.ts';
import { apply1, input, variable, type Node, type Op, type Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { concat, map, reduce } from '../ops/index.ts';
import { mapOp } from '../ops/map.ts';
import type { Program } from '../program.ts';
import { planMemory, schedule, type MemoryPlan, type Step } from './index.ts';

/** As large as its input, and fused with nothing. */
const copied: Op<object> = { name: 'test/copied', infer: ([x]) => [x!], vjp: { none: 'not needed here' }, cost: () => ({}) };
const copy = (x: Value): Value => apply1(copied, [x], {});
const sum = (x: Value): Value => reduce(x, { kind: 'sum' });
const plusOne = (x: Value): Value => map([x], (value) => e.add(value, 1));

const kernelFor = ({ op }: Node): Kernel => {
  const base = { op, backend: 'test' };
  if (op === mapOp) return { ...base, inPlace: () => ({ inputs: 'all' }) };
  return op === copied ? { ...base, fusion: { slice: true } } : base;
};

function planned(program: Program): { plan: MemoryPlan; alone: MemoryPlan; steps: readonly Step[]; names: readonly (readonly string[])[] } {
  const { steps, outputs, updates, stored } = schedule(program, kernelFor);
  const direct = new Map(updates.flatMap((update) => (update.direct ? [[update.value, update.variable] as const] : [])));
  const request = {
    steps,
    bytesOf: ({ shape }: Value) => 4 * shape.reduce((a, b) => a * b, 1),
    alignment: 4,
    before: steps.flatMap(({ reads }) => reads.filter(({ origin }) => origin.kind === 'input')),
    after: [...outputs.map(([, value]) => stored(value)), ...updates.map(({ value }) => value)],
    elsewhere: (value: Value) => value.origin.kind === 'variable' || value.origin.kind === 'constant' || direct.has(value),
  };
  const plan = planMemory({ ...request, direct });
  const names = plan.rounds.map(([first, last]) => steps.slice(first, last + 1).map(({ node }) => node.op.name));
  return { plan, alone: planMemory(request), steps, names };
}

/** No step of a round may read or write a byte that another one writes, but where both write parts of one tensor. */
function expectApart({ rounds, placements }: MemoryPlan, steps: readonly Step[]): void {
  const overlap = (a: Value, b: Value): boolean => {
    const [p, q] = [placements.get(a), placements.get(b)];
    return p !== undefined && q !== undefined && p.offset < q.offset + q.bytes && q.offset < p.offset + p.bytes;
  };
  for (const [first, last] of rounds) {
    const round = steps.slice(first, last + 1);
    for (const writer of round)
      for (const other of round) {
        if (other === writer) continue;
        for (const output of writer.outputs)
          for (const touched of [...other.reads, ...other.outputs])
            if (output && touched && !(output === touched && writer.slice && other.slice)) expect(overlap(output, touched)).toBe(false);
      }
  }
}

describe('rounds', () => {
  const x = input('x', [64]);

  test('steps that read the same are one, and one that reads a result is another', () => {
    const y = copy(x);
    const { names, plan, alone, steps } = planned({ outputs: { y, least: reduce(x, { kind: 'min' }), total: sum(x), z: copy(y) } });
    expect(names.flat()).toHaveLength(4);
    expect(names.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 3]);
    expect(alone.rounds).toEqual(steps.map((_, at) => [at, at]));
    expectApart(plan, steps);
  });

  test('parts of one concatenation are written at the same time', () => {
    const { names, plan, steps } = planned({ outputs: { y: concat([copy(x), copy(copy(x))], 0) } });
    // The copy that only one of the parts needs, and the two parts.
    expect(names).toEqual([['test/copied', 'test/copied'], ['test/copied']]);
    expectApart(plan, steps);
    const twice = planned({ outputs: { y: sum(concat([copy(x), copy(x)], 0)) } });
    expect(twice.names).toEqual([['test/copied', 'test/copied'], ['core/reduce']]);
    expectApart(twice.plan, twice.steps);
  });

  test('a variable is written after a round that reads it', () => {
    const w = variable('w', [64]);
    const { names } = planned({ outputs: { total: sum(w) }, updates: [[w, plusOne(w)]] });
    expect(names).toEqual([['core/reduce'], ['core/map']]);
  });

  test('what was written into a variable is read in a later round', () => {
    const [v, w] = [variable('v', [64]), variable('w', [64])];
    const next = copy(x);
    const { names } = planned({
      outputs: {},
      updates: [
        [v, next],
        [w, copy(next)],
      ],
    });
    expect(names).toEqual([['test/copied'], ['test/copied']]);
  });

  test('updates of many variables are one', () => {
    const variables = Array.from({ length: 20 }, (_, i) => variable(`w${i}`, [i + 1]));
    const { plan } = planned({ outputs: {}, updates: variables.map((w) => [w, plusOne(w)] as const) });
    expect(plan.rounds).toEqual([[0, 19]]);
  });

  test('take no more memory than the steps one by one', () => {
    // Both read y at once: the map may not be written over it, and would take a place of its own.
    const y = copy(x);
    const program = { outputs: { total: sum(y), z: plusOne(y) } };
    const { names, plan, alone, steps } = planned(program);
    expect([plan.livePeakBytes, alone.livePeakBytes]).toEqual([2 * 256, 2 * 256]);
    expect(names).toEqual([['test/copied'], ['core/reduce'], ['core/map']]);
    expectApart(plan, steps);
  });

  test('a result has a place of its own where the round still reads what it would be written over', () => {
    // Elsewhere three are alive at once, so that there is room for it.
    const y = copy(x);
    const program = { outputs: { total: sum(y), z: plusOne(y), w: copy(x), v: copy(x) } };
    const { plan, steps } = planned(program);
    const at = (value: Value): number => steps.findIndex(({ outputs }) => outputs.includes(value));
    const [total, z] = [at(program.outputs.total), at(program.outputs.z)];
    expect(plan.rounds.some(([first, last]) => first <= Math.min(total, z) && Math.max(total, z) <= last)).toBe(true);
    expectApart(plan, steps);
  });
});
