import { conv2d } from '@shoal/conv';
import {
  concat,
  expression as e,
  fill,
  gradients,
  input,
  map,
  planMemory,
  reduce,
  reshape,
  rootsOf,
  schedule,
  sizeOf,
  topological,
  variable,
  Variable,
  type Kernel,
  type Program,
} from '@shoal/core';
import { add, multiply, relu } from '@shoal/math';
import { maxPool2d } from '@shoal/pool';
import { networks, type NetworkName } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { cost, inferenceProgram, livenessPeak, trainingProgram } from './index.ts';

describe('the liveness peak, counted by hand', () => {
  const x = input('x', [1, 4, 4, 2]); // 128 bytes
  const peakOf = (program: Program): number => livenessPeak(program);

  test('input and output of a node exist together', () => {
    expect(peakOf({ outputs: { y: relu(x) } })).toBe(256);
  });

  test('what has been read for the last time is gone: a chain needs two tensors', () => {
    expect(peakOf({ outputs: { y: relu(relu(relu(relu(x)))) } })).toBe(256);
  });

  test('a shortcut lives until the addition', () => {
    const [first, second] = [relu(x), relu(relu(x))];
    expect(first).not.toBe(second);
    const y = relu(x);
    // x and y; then y and relu(y); then y, the branch and the sum.
    expect(peakOf({ outputs: { sum: add(relu(relu(y)), y) } })).toBe(3 * 128);
  });

  test('outputs live to the end, and reshapes are no tensors', () => {
    const half = reshape(maxPool2d(x, { window: 2 }), [8]); // 32 bytes
    expect(peakOf({ outputs: { half, y: relu(x) } })).toBe(128 + 32 + 128);
    expect(peakOf({ outputs: { y: relu(x), half } })).toBe(128 + 128 + 32);
  });

  test('the winners count when somebody reads them', () => {
    const y = maxPool2d(x, { window: 2 });
    expect(peakOf({ outputs: { y } })).toBe(128 + 32);
    const [dx] = gradients(reduce(y, { kind: 'sum' }), [x]);
    // x, y and the winners; then y may go, and the gradient of the sum is spread (4 + 32 bytes) and scattered: winners, dy and dx.
    expect(peakOf({ outputs: { dx: dx! } })).toBe(128 + 32 + 32);
  });

  test('weights, and what depends on them alone, do not count; a copy that is updated does', () => {
    const weight = variable('weight', [1, 1, 2, 2]);
    const scaled = map([weight], (w) => e.mul(w, 2));
    const y = conv2d(x, scaled);
    expect(peakOf({ outputs: { y } })).toBe(256);
    const next = map([weight], (w) => e.mul(w, 3)); // 16 bytes, new in every run
    expect(peakOf({ outputs: { y }, updates: [[weight, next]] })).toBe(256 + 16);
  });

  test('a tensor made from nothing counts', () => {
    expect(peakOf({ outputs: { y: multiply(x, fill(2, [1, 4, 4, 2])) } })).toBe(3 * 128);
    expect(peakOf({ outputs: { both: concat([x, x], 3) } })).toBe(128 + 256);
  });
});

/** What the planner finds for a program as it is written: no fusion, no padding, and in the order in which the outputs ask for things. */
function plannedPeak(program: Program): number {
  const kernel: Kernel = { op: { name: 'none/none', infer: () => [], vjp: { none: 'none' }, cost: () => ({}) }, backend: 'none' };
  const { steps: ordered, prelude, outputs, updates, stored } = schedule(program, () => kernel);
  const ranks = new Map(topological(rootsOf(program)).map((node, rank) => [node, rank]));
  const steps = ordered.toSorted((a, b) => ranks.get(a.node)! - ranks.get(b.node)!);
  const fixed = new Set(prelude.flatMap((step) => step.outputs));
  const reads = steps.flatMap((step) => step.reads);
  return planMemory({
    steps,
    bytesOf: ({ shape }) => 4 * sizeOf(shape),
    alignment: 1,
    before: reads.filter(({ origin }) => origin.kind === 'input'),
    after: [...outputs.map(([, value]) => stored(value)), ...updates.map(({ value }) => stored(value))],
    elsewhere: (value) => value instanceof Variable || value.origin.kind === 'constant' || fixed.has(value),
  }).livePeakBytes;
}

test('gradients are asked for last layer first, as backpropagation gives them', () => {
  const program = trainingProgram(networks['all-cnn-c'](), input('image', [2, 32, 32, 3]));
  const [loss, ...found] = Object.keys(program.outputs);
  expect([loss, found[0], found.at(-1)]).toEqual(['loss', 'gradient conv9.bias', 'gradient conv1.weight']);
  expect(found.length).toBe(18);
});

describe('beside the planner', () => {
  const names = ['resnet18', 'squeezenet1_1', 'fishnet-mini', 'all-cnn-c', 'model-c'] as const satisfies readonly NetworkName[];

  test.each(names)('%s, as it is written: the same peak, in inference and training', (name) => {
    const net = networks[name]();
    const [height, width] = net.input;
    const { logicalBytes } = cost(net, { batch: 2 });
    expect(logicalBytes.inference).toBe(plannedPeak(inferenceProgram(net, { batch: 2 })));
    expect(logicalBytes.training).toBe(plannedPeak(trainingProgram(net, input('image', [2, height, width, 3]))));
  });
});
