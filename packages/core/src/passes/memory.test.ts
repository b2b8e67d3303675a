import { describe, expect, test } from 'vitest';
import * as e from '../expression/index.ts';
import { apply, apply1, input, variable, type Node, type Op, type Value } from '../graph.ts';
import { gradients } from '../gradients.ts';
import type { Kernel } from '../kernel.ts';
import { concat, map, reduce, reshape } from '../ops/index.ts';
import { mapOp } from '../ops/map.ts';
import type { Program } from '../program.ts';
import { planMemory, schedule, type MemoryPlan, type Schedule } from './index.ts';
import { place } from './place.ts';

const relu = (x: Value): Value => map([x], (a) => e.max(a, 0));
const plus = (...values: readonly Value[]): Value => map(values, (first, ...others) => others.reduce((a, b) => e.add(a, b), first));

/** The result and its sum, as batch norm gives its statistics. */
const split: Op<object> = {
  name: 'test/split',
  infer: ([x]) => [x!, { shape: [], dtype: 'f32' }],
  vjp: { none: 'not needed here' },
  cost: () => ({}),
};
const splitOf = (x: Value): readonly [Value, Value] => apply(split, [x], {}) as [Value, Value];

/** Linear in x, and keeps it for the gradient of w. */
const weigh: Op<object> = {
  name: 'test/weigh',
  infer: ([x]) => [x!],
  vjp: ({ inputs: [x, w], cotangents: [dy] }) => [
    apply1(weigh, [dy!, w!], {}),
    reduce(
      map([dy!, x!], (a, b) => e.mul(a, b)),
      { kind: 'sum', axes: [0] },
    ),
  ],
  cost: () => ({}),
};

const kernelFor = ({ op }: Node): Kernel => {
  const base = { op, backend: 'test' };
  if (op === mapOp) return { ...base, inPlace: () => ({ inputs: 'all' }) };
  return op.name === 'test/split' ? { ...base, fusion: { epilogue: true }, inPlace: () => ({ inputs: [0], epilogue: true }) } : base;
};
const scheduled = (program: Program): Schedule => schedule(program, kernelFor);
const stepNames = ({ steps }: Schedule): readonly string[] => steps.map(({ node }) => node.op.name);

function plan(program: Program): MemoryPlan {
  const { steps, outputs, updates, stored } = scheduled(program);
  const direct = new Set(updates.flatMap((update) => (update.direct ? [update.value] : [])));
  return planMemory({
    steps,
    bytesOf: ({ shape }) => 4 * shape.reduce((a, b) => a * b, 1),
    alignment: 4,
    before: steps.flatMap(({ reads }) => reads.filter(({ origin }) => origin.kind === 'input')),
    after: [...outputs.map(([, value]) => stored(value)), ...updates.map(({ value }) => value)],
    elsewhere: (value) => value.origin.kind === 'variable' || value.origin.kind === 'constant' || direct.has(value),
  });
}

describe('in place', () => {
  const x = input('x', [64]);
  const total = (value: Value): Value => reduce(value, { kind: 'sum' });

  test('a chain of elementwise steps needs one tensor', () => {
    let y: Value = plus(x, total(x));
    for (let i = 0; i < 4; i++) y = plus(y, total(y));
    expect(plan({ outputs: { y } }).arenaBytes).toBe(4 * 64 + 4);
  });
  test('not over what is read later, or is an output', () => {
    const y = plus(x, total(x));
    expect(plan({ outputs: { y, z: plus(x, total(y)) } }).arenaBytes).toBe(2 * 4 * 64 + 4);
    expect(plan({ outputs: { y, z: plus(y, total(y)) } }).arenaBytes).toBe(2 * 4 * 64 + 4);
  });
  test('not over what the step reads elsewhere than at its own place', () => {
    const [y] = splitOf(x);
    const { steps } = scheduled({
      outputs: {
        y: plus(
          y,
          map([x], (a) => e.mul(a, 2)),
        ),
      },
    });
    expect(steps.map(({ overwrites }) => overwrites.length)).toEqual([1, 2]);
    const small = scheduled({ outputs: { y: plus(x, input('one', [1])) } });
    expect(small.steps[0]!.overwrites).toEqual([x]);
  });
});

describe('epilogues of kernels with several outputs', () => {
  const x = input('x', [8]);

  test('are taken where the other outputs are read by somebody else', () => {
    const [y, sum] = splitOf(x);
    const plan = scheduled({ outputs: { y: relu(y), sum, twice: map([sum], (a) => e.mul(a, 2)) } });
    expect(stepNames(plan)).toEqual(['test/split', 'core/map']);
    expect(plan.steps[0]!.epilogue).not.toBeNull();
  });
  test('are not taken where the map waits for another output', () => {
    const [y, sum] = splitOf(x);
    expect(stepNames(scheduled({ outputs: { y: plus(y, sum) } }))).toEqual(['test/split', 'core/map']);
    const [z, zSum] = splitOf(x);
    const later = reduce(concat([reshape(zSum, [1]), reshape(zSum, [1])], 0), { kind: 'sum' });
    expect(stepNames(scheduled({ outputs: { z: plus(z, later) } }))).toEqual(['test/split', 'core/concat', 'core/reduce', 'core/map']);
  });
  test('two of them do not wait for each other', () => {
    const [[a, aSum], [b, bSum]] = [splitOf(x), splitOf(map([x], (value) => e.mul(value, 2)))];
    const { steps } = scheduled({ outputs: { a: plus(a, bSum), b: plus(b, aSum) } });
    expect(steps.filter(({ epilogue }) => epilogue).length).toBe(1);
    const made = new Set<Value>([x]);
    for (const { reads, outputs } of steps) {
      expect(reads.every((value) => made.has(value))).toBe(true);
      outputs.forEach((value) => value && made.add(value));
    }
  });
});

describe('order', () => {
  const size = 65536;
  const x = input('x', [2, size]);
  const weights = Array.from({ length: 6 }, (_, i) => variable(`w${i}`, [size]));
  const loss = reduce(
    weights.reduce<Value>((y, w) => apply1(weigh, [y, w], {}), x),
    { kind: 'sum' },
  );
  const found = gradients(loss, weights);
  const updates = weights.map((w, i) => [w, plus(w, found[i]!)] as const);

  test('a gradient is applied where it is computed, after the last reader of the weight', () => {
    const program = { outputs: { loss }, updates };
    expect(scheduled(program).updates.map(({ direct }) => direct)).toEqual(weights.map(() => true));
    // The inputs of six layers, the gradient on its way back twice, the gradient of one weight, the loss.
    expect(plan(program).livePeakBytes).toBeLessThanOrEqual(4 * (6 * 2 * size + 2 * 2 * size + size) + 64);
  });
  test('updates of small variables come last', () => {
    const counter = variable('counter', [1]);
    const { steps } = scheduled({ outputs: { loss }, updates: [[counter, plus(counter, input('one', [1]))], ...updates] });
    expect(steps.at(-1)!.reads).toContain(counter);
  });
  test('variables that swap their values are copied, and not lost', () => {
    const [a, b] = [variable('a', [4]), variable('b', [4])];
    const double = (value: Value): Value => map([value], (u) => e.mul(u, 2));
    const { updates: placed } = scheduled({
      outputs: {},
      updates: [
        [a, double(b)],
        [b, double(a)],
      ],
    });
    expect(placed.filter(({ direct }) => direct).length).toBe(1);
  });
});

describe('placing', () => {
  test.each([Infinity, 1024])('comes close to the least where a greedy order leaves gaps, on pages of %d', (pageBytes) => {
    // Lifetimes of a training step: what layers keep dies in the opposite order, with short-lived tensors of other sizes between.
    const layers = 24;
    const blocks = Array.from({ length: layers }, (_, i) => [
      { first: i, last: 2 * layers - i, bytes: 64 * (1 + ((i * 7) % 5)) },
      { first: i, last: i + 1, bytes: 64 * (1 + ((i * 3) % 7)) },
      { first: 2 * layers - i, last: 2 * layers - i + 1, bytes: 64 * (1 + ((i * 5) % 7)) },
    ]).flat();
    const alive = Array.from({ length: 2 * layers + 2 }, (_, at) =>
      blocks.reduce((sum, { first, last, bytes }) => sum + (first <= at && at <= last ? bytes : 0), 0),
    );
    const least = Math.max(...alive);
    const { offsets, arenaBytes } = place(blocks, least, pageBytes);
    expect(arenaBytes).toBeLessThanOrEqual((pageBytes === Infinity ? 1.05 : 1.2) * least);
    const page = (at: number): number => Math.floor(at / pageBytes);
    blocks.forEach(({ bytes }, i) => expect(page(offsets[i]! + bytes - 1)).toBe(page(offsets[i]!)));
    const overlaps = blocks.some((a, i) =>
      blocks.some(
        (b, j) =>
          i < j && a.first <= b.last && b.first <= a.last && offsets[i]! < offsets[j]! + b.bytes && offsets[j]! < offsets[i]! + a.bytes,
      ),
    );
    expect(overlaps).toBe(false);
  });
});
