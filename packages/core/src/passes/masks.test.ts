import { describe, expect, test } from 'vitest';
import * as e from '../expression/index.ts';
import { input, topological, type Node, type Value } from '../graph.ts';
import { gradients } from '../gradients.ts';
import { map, reduce } from '../ops/index.ts';
import type { MapAttributes } from '../ops/map.ts';
import { rootsOf, type Program } from '../program.ts';
import { reference } from '../reference/index.ts';
import { createRuntime } from '../runtime.ts';
import { masksFromResults } from './index.ts';

const runtime = await createRuntime(reference());
const x = input('x', [4, 4]);
const seed = input('seed', [4, 4]);
/** A sum along an axis of its own stands in for the kernel that makes what is clamped. */
const made = reduce(input('wide', [4, 4, 2]), { kind: 'sum', axes: [2] });
const feeds = {
  seed: Array.from({ length: 16 }, (_, i) => i + 1),
  wide: [-1, 0, 2, 7, NaN, 5, 6, -0, 1e-30, -1e-30, 5.9, 6.1, Infinity, -Infinity, 3, -3].flatMap((value) => [value, 0]),
};

type Activation = (a: e.Expression) => e.Expression;
const relu: Activation = (a) => e.max(a, 0);
const relu6: Activation = (a) => e.min(e.max(a, 0), 6);
const turned: Activation = (a) => e.max(e.min(a, 6), 0);

const trained = (activation: Activation, of: Value = made): Program => {
  const y = map([of], activation);
  return { outputs: { y, dx: gradients(y, [of], { seed })[0]! } };
};
const readers = (program: Program, value: Value): readonly Node[] =>
  topological(rootsOf(program)).filter((node) => node.inputs.includes(value));

describe('masks of clamps', () => {
  test.each<[string, Activation]>([
    ['ReLU', relu],
    ['ReLU6', relu6],
    ['ReLU6, the other way round', turned],
    ['cut off above only', (a) => e.min(a, 6)],
  ])('%s: the gradient reads the result, and is the same', async (_, activation) => {
    const before = trained(activation);
    const after = masksFromResults(before);
    expect([readers(before, made).length, readers(after, made).length]).toEqual([2, 1]);
    expect(readers(after, after.outputs['y']!).length).toBe(1);
    const [a, b] = await Promise.all([before, after].map(async (program) => (await runtime.compile(program)).run(feeds)));
    expect(b).toEqual(a);
  });

  test.each<[string, Program]>([
    ['the input is read otherwise', ((p) => ({ outputs: { ...p.outputs, square: map([made], (a) => e.mul(a, a)) } }))(trained(relu))],
    ['the input is an output', ((p) => ({ outputs: { ...p.outputs, made } }))(trained(relu))],
    ['the input is there anyway', trained(relu, x)],
    ['another bound', { outputs: { y: map([made], relu), mask: map([made], (a) => e.select(e.gt(a, 1), 1, 0)) } }],
    ['at least', { outputs: { y: map([made], relu), mask: map([made], (a) => e.select(e.ge(a, 0), 1, 0)) } }],
    ['cut off elsewhere first', { outputs: { y: map([made], relu6), mask: map([made], (a) => e.select(e.lt(e.max(a, 9), 6), 1, 0)) } }],
    [
      'not a clamp: the bounds cross',
      { outputs: { y: map([made], (a) => e.min(e.max(a, 6), 0)), mask: map([made], (a) => e.select(e.gt(a, 6), 1, 0)) } },
    ],
  ])('%s: left alone', (_, program) => {
    const shown = (p: Program): unknown =>
      topological(rootsOf(p)).map((node) => [
        node.inputs.length,
        e.expressionKey((node.attributes as MapAttributes).expression ?? e.literal(0)),
      ]);
    expect(shown(masksFromResults(program))).toEqual(shown(program));
  });
});
