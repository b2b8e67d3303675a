import { describe, expect, test } from 'vitest';
import * as e from './expression/index.ts';
import { gradients } from './gradients.ts';
import { apply1, buildFor, constant, input, topological, variable, type Node, type Op, type Value } from './graph.ts';
import type { Kernel } from './kernel.ts';
import { map, reduce, reshape } from './ops/index.ts';
import {
  expandMissing,
  foldConstants,
  foldScales,
  fuseMaps,
  lowerKernels,
  schedule,
  shareCommon,
  stripStopGradients,
} from './passes/index.ts';
import { rootsOf, type Program } from './program.ts';
import { reference } from './reference/index.ts';
import { createRuntime } from './runtime.ts';

const x = input('x', [2, 3]);
const w = variable('w', [3], [1, 2, 3]);
const times = (a: Value, b: Value): Value => map([a, b], (p, q) => e.mul(p, q));
const relu = (a: Value): Value => map([a], (p) => e.max(p, 0));

/** Per-channel weighting standing in for a convolution: linear, with a scale to absorb. */
const weigh: Op<object> = {
  name: 'test/weigh',
  infer: ([a]) => [a!],
  vjp: ({ inputs: [, b], cotangents: [dy] }) => [times(dy!, b!), null],
  cost: () => ({}),
  expand: ([a, b]) => [times(times(a!, b!), constant(1))],
  absorbScale: ([a, b], _, scale) => [a!, times(b!, scale)],
};

/** The nodes of a program to which a node leads back. */
function sourcesOf(node: Node, program: Program): ReadonlySet<Node> {
  const asked = new Set(topological(rootsOf(program)));
  const follow = (each: Node): readonly Node[] => (asked.has(each) ? [each] : each.builtFor.flatMap(follow));
  return new Set(follow(node));
}

test('what somebody applies himself was built for nothing, also after a build that failed', () => {
  expect(() => buildFor([relu(x).node!], () => apply1(weigh, [], {}))).toThrow(TypeError);
  expect(relu(x).node!.builtFor).toEqual([]);
});

test('the innermost build counts', () => {
  const [a, b] = [relu(x).node!, relu(x).node!];
  const [inner, outer] = buildFor([a], () => [buildFor([b], () => relu(x)), relu(x)]);
  expect([inner.node!.builtFor, outer.node!.builtFor]).toEqual([[b], [a]]);
});

test('a gradient is built for the node whose gradient it is, and a sum for the node where it meets', () => {
  const y = apply1(weigh, [x, w], {});
  const z = times(y, relu(y));
  const loss = reduce(z, { kind: 'sum' });
  const [dx] = gradients(loss, [x]);
  const forward = topological([loss]);
  const made = topological([dx!]).filter((node) => !forward.includes(node) && node.inputs.length > 0);
  expect(made.every(({ builtFor }) => builtFor.length === 1 && forward.includes(builtFor[0]!))).toBe(true);
  expect(dx!.node!.builtFor).toEqual([y.node]);
  expect(dx!.node!.inputs[0]!.node!.builtFor).toEqual([y.node]); // dy of both readers of y
});

describe('through the passes', () => {
  const scale = variable('scale', [3], [4, 5, 6]);
  const weighed = apply1(weigh, [x, w], {});
  const scaled = times(weighed, scale);
  const y = relu(scaled);
  const program: Program = { outputs: { y, sum: reduce(reshape(y, [6]), { kind: 'sum' }) } };

  const device = { backend: 'test', device: 'none', threads: 1, clock: 'none', flags: {}, notes: [] };
  const lowered = (node: Node): Kernel => ({ op: node.op, backend: 'test', ...(node.op === weigh && { lower: weigh.expand! }) });
  test.each<[string, (program: Program) => Program]>([
    ['strip', stripStopGradients],
    ['expand', (p) => expandMissing(p, (node) => node.op !== weigh)],
    ['fold constants', foldConstants],
    ['share', shareCommon],
    ['fold scales', foldScales],
    ['lower', (p) => lowerKernels(p, lowered, device)],
    ['fuse', fuseMaps],
    ['all', (p) => fuseMaps(shareCommon(foldConstants(foldScales(shareCommon(foldConstants(p))))))],
  ])('%s: every node leads back to the program that was compiled', (_, pass) => {
    for (const node of topological(rootsOf(pass(program)))) expect(sourcesOf(node, program).size).toBeGreaterThan(0);
  });

  test('an op that absorbs a scale is still its own', () => {
    const folded = foldScales(program);
    const [own] = topological(rootsOf(folded)).filter(({ op }) => op === weigh);
    expect([...sourcesOf(own!, program)]).toEqual([weighed.node]);
    expect([...sourcesOf(folded.outputs['y']!.node!.inputs[0]!.node!, program)]).toEqual([scaled.node]);
  });

  test('a fused map leads to all that it does, in the order in which they run', () => {
    const chain: Program = { outputs: { y: relu(times(relu(x), w)) } };
    const [fused, ...others] = topological(rootsOf(fuseMaps(chain)));
    expect(others).toEqual([]);
    expect([...sourcesOf(fused!, chain)]).toEqual(topological(rootsOf(chain)));
  });

  test('a step names what its kernel does as well', () => {
    const kernelFor = (node: Node): Kernel => ({
      op: node.op,
      backend: 'test',
      ...(node.op === weigh && { fusion: { epilogue: true, load: { 0: 'masked' } } }),
    });
    const [before, after] = [relu(x), apply1(weigh, [relu(x), w], {})];
    const made = apply1(weigh, [before, w], {});
    const { steps } = schedule({ outputs: { made: relu(made), after } }, kernelFor);
    expect(steps.map(({ node, fused }) => [node.op.name, ...fused.map(({ op }) => op.name)])).toEqual([
      ['test/weigh', 'core/map', 'core/map'],
      ['test/weigh', 'core/map'],
    ]);
    expect(steps[0]!.fused[0]).toBe(before.node);
  });
});

test('a profile names the steps of the schedule', async () => {
  const runtime = await createRuntime(reference());
  const executable = await runtime.compile({ outputs: { y: relu(times(x, w)), z: reduce(x, { kind: 'sum' }) } });
  const { steps } = await executable.timed({ x: [1, 2, 3, 4, 5, 6] }, { profile: true });
  expect(steps!.map(({ step }) => step)).toEqual(executable.schedule.steps);
  await runtime.dispose();
});
