import { describe, expect, test } from 'vitest';
import * as e from './expression/index.ts';
import { gradients } from './gradients.ts';
import { input, topological, variable, type Value } from './graph.ts';
import { map, randomBits, reduce } from './ops/index.ts';
import { rootsOf, type Program } from './program.ts';
import { reference } from './reference/index.ts';
import { createRuntime } from './runtime.ts';

const runtime = await createRuntime(reference());
const size = 8;
const x = input('x', [size]);
const weights = Array.from({ length: 6 }, (_, i) => variable(`w${i}`, [size], (i + 1) / 3));
const step = variable('step', [], 0, 'u32');
const layer = (value: Value, w: Value): Value =>
  reduce(
    map([value, w], (a, b) => e.tanh(e.mul(a, b)), [1, size]),
    { kind: 'sum', axes: [0] },
  );
const dropped = (value: Value, stream: number): Value =>
  map([value, randomBits(step, { seed: 1, stream, shape: [size] })], (a, bits) =>
    e.select(e.lt(e.bitAnd(bits, e.literal(1, 'u32')), e.literal(1, 'u32')), a, 0),
  );
const layers: Value[] = [];
weights.forEach((w, i) => layers.push(dropped(layer(layers.at(-1) ?? x, w), i)));
const loss = reduce(
  map([layers.at(-1)!, layers[1]!], (a, b) => e.mul(a, b)),
  { kind: 'sum' },
);
const programOf = (keep?: readonly Value[]): Program => ({
  outputs: { loss, ...Object.fromEntries(gradients(loss, weights, keep ? { keep } : {}).map((value, i) => [`d${i}`, value])) },
});
const count = (program: Program, op: string): number => topological(rootsOf(program)).filter((node) => node.op.name === op).length;
const feeds = { x: Array.from({ length: size }, (_, i) => i / 5 - 0.7) };

describe('gradients that keep few values', () => {
  test.each([
    ['one in the middle', [layers[2]!]],
    ['two', [layers[1]!, layers[3]!]],
    ['all', layers],
    ['the loss', [loss]],
    ['what the loss does not depend on', [input('other', [size])]],
    ['none', []],
  ])('%s: the same numbers', async (_, keep) => {
    const [all, few] = [programOf(), programOf(keep)];
    const [a, b] = await Promise.all([all, few].map(async (program) => (await runtime.compile(program)).run(feeds)));
    expect(b).toEqual(a);
  });
  test('each value is computed again once, and not what comes after the last of them', () => {
    const forward = count({ outputs: { loss } }, 'core/reduce') - 1;
    const all = count(programOf(), 'core/reduce');
    expect(forward).toBe(layers.length);
    expect(count(programOf([layers[2]!]), 'core/reduce')).toBe(all + 2);
    expect(count(programOf([loss]), 'core/reduce')).toBe(all + forward);
    expect(count(programOf([]), 'core/reduce')).toBe(all);
  });
  test('what is computed again waits for the gradient, and takes no memory before', async () => {
    const wide = 65536;
    const chain = Array.from({ length: 12 }, (_, i) => variable(`c${i}`, [wide]));
    const values: Value[] = [];
    for (const w of chain)
      values.push(
        reduce(
          map([values.at(-1) ?? input('wide', [wide]), w], (a, b) => e.tanh(e.add(a, b)), [1, wide]),
          { kind: 'sum', axes: [0] },
        ),
      );
    const end = reduce(values.at(-1)!, { kind: 'sum' });
    const peak = async (keep?: readonly Value[]): Promise<number> => {
      const found = gradients(end, chain, keep ? { keep } : {});
      const updates = chain.map((w, i) => [w, map([w, found[i]!], (a, b) => e.sub(a, b))] as const);
      return (await runtime.plan({ outputs: { end }, updates })).livePeakBytes;
    };
    expect(await peak([values[3]!, values[7]!])).toBeLessThan(0.75 * (await peak()));
  });
});
