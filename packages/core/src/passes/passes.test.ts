import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as e from '../expression/index.ts';
import { apply1, constant, input, topological, variable, type Node, type Op, type Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { concat, fill, map, randomBits, reduce, reshape, stopGradient } from '../ops/index.ts';
import { rootsOf, type Program } from '../program.ts';
import { reference } from '../reference/index.ts';
import { createRuntime } from '../runtime.ts';
import {
  expandMissing,
  foldConstants,
  foldScales,
  fuseMaps,
  lowerKernels,
  planMemory,
  schedule,
  shareCommon,
  stripStopGradients,
} from './index.ts';

const relu = (x: Value): Value => map([x], (a) => e.max(a, 0));
const plus = (x: Value, y: Value): Value => map([x, y], (a, b) => e.add(a, b));
const names = (program: Program): string[] => topological(rootsOf(program)).map((node) => node.op.name);
const runtime = await createRuntime(reference());

/** Per-channel weighting standing in for a convolution: linear, with a scale to absorb. */
const weigh: Op<object> = {
  name: 'test/weigh',
  infer: ([x]) => [x!],
  vjp: { none: 'not needed here' },
  cost: () => ({}),
  expand: ([x, w]) => [map([x!, w!], (a, b) => e.mul(a, b))],
  absorbScale: ([x, w], _, scale) => [x!, map([w!, scale], (a, b) => e.mul(a, b))],
};

async function sameResults(before: Program, after: Program, feeds: Record<string, number[]>): Promise<void> {
  const [a, b] = await Promise.all([before, after].map(async (program) => (await runtime.compile(program)).run(feeds)));
  expect(b).toEqual(a);
}

describe('graph to graph', () => {
  const x = input('x', [2, 3]);

  test('equal things are computed once, random ones never merged', () => {
    const step = variable('step', [], 0, 'u32');
    const draw = (): Value => randomBits(step, { stream: 0, seed: 0, shape: [2] });
    expect(names(shareCommon({ outputs: { y: plus(relu(x), relu(x)), a: draw(), b: draw() } })).toSorted()).toEqual([
      'core/map',
      'core/map',
      'core/random',
      'core/random',
    ]);
  });
  test('uniform constants move into expressions, and what depends on constants alone is computed', () => {
    const two = plus(constant(1), constant(1));
    const folded = foldConstants({
      outputs: { y: map([x, two], (a, b) => e.mul(a, b)), z: plus(constant([1, 2], [2]), constant([3, 4], [2])) },
    });
    expect(names(folded)).toEqual(['core/map']);
    expect(folded.outputs.y!.node!.inputs).toEqual([x]);
    expect(folded.outputs.z!.origin).toMatchObject({ kind: 'constant', data: Float64Array.of(4, 6) });
  });
  test('x * 1 + 0 disappears', () => {
    expect(foldConstants({ outputs: { y: map([x, fill(1, [2, 3])], (a, b) => e.add(e.mul(a, b), 0)) } }).outputs.y).toBe(x);
  });
  test('chains of maps become one, unless the inner result is read elsewhere', async () => {
    const inner = map([x], (a) => e.mul(a, 3));
    const program = { outputs: { y: relu(plus(inner, x)) } };
    expect(names(fuseMaps(program))).toEqual(['core/map']);
    expect(names(fuseMaps({ outputs: { y: relu(inner), inner } }))).toEqual(['core/map', 'core/map']);
    await sameResults(program, fuseMaps(program), { x: [1, -2, 3, -4, 5, -6] });
  });
  test('a map that broadcasts its input is not recomputed per element', () => {
    const column = map([input('c', [2, 1])], (a) => e.exp(a));
    expect(names(fuseMaps({ outputs: { y: plus(column, x) } }))).toEqual(['core/map', 'core/map']);
  });
  test('stopGradient is gone', () => {
    expect(stripStopGradients({ outputs: { y: stopGradient(x) } }).outputs.y).toBe(x);
  });
  test('an op without a kernel is expanded', () => {
    const program = { outputs: { y: apply1(weigh, [x, constant([1, 2, 3], [3])], {}) } };
    expect(names(expandMissing(program, (node) => node.op.name.startsWith('core/')))).toEqual(['core/map']);
    expect(names(expandMissing(program, () => true))).toEqual(['test/weigh']);
  });
  test('a kernel that lowers an op is told the device, and what no run of the program changes', () => {
    const [fixed, trained] = [variable('fixed', [3]), variable('trained', [3])];
    const operands = [fixed, relu(plus(fixed, constant([1, 2, 3], [3]))), trained, plus(fixed, trained), input('b', [3])];
    const asked: boolean[] = [];
    const lower: Kernel['lower'] = (inputs, _, { device, isStatic }) => {
      expect(device).toBe(runtime.info);
      asked.push(isStatic(inputs[1]!));
      return null;
    };
    const outputs = Object.fromEntries(operands.map((w, i) => [`y${i}`, apply1(weigh, [x, w], {})]));
    const kernelFor = ({ op }: Node): Kernel => ({ op, backend: 'test', ...(op.name === weigh.name ? { lower } : {}) });
    lowerKernels({ outputs, updates: [[trained, relu(trained)]] }, kernelFor, runtime.info);
    expect(asked).toEqual([true, true, false, false, false]);
  });
});

describe('batch-norm folding', () => {
  const x = input('x', [2, 3]);
  const w = variable('w', [3], [1, 2, 3]);
  const [mean, variance, gamma, beta] = ['mean', 'variance', 'gamma', 'beta'].map((name, i) => variable(name, [3], [i + 1, i + 2, i + 3]));
  const normalise = (y: Value): Value =>
    map([y, mean!, variance!, gamma!, beta!], (v, m, s, g, b) => e.add(e.mul(e.div(e.sub(v, m), e.sqrt(e.add(s, 1e-5))), g), b));

  test('the scale goes into the weights, the result stays', async () => {
    const program = { outputs: { y: normalise(apply1(weigh, [x, w], {})) } };
    const folded = foldScales(program);
    const expanded = (p: Program): Program => expandMissing(p, (node) => node.op.name !== 'test/weigh');
    expect(names(folded)).toEqual(['core/map', 'core/map', 'test/weigh', 'core/map']);
    const feeds = { x: [1, -2, 3, -4, 5, -6] };
    const [a, b] = await Promise.all([program, folded].map(async (p) => (await (await runtime.compile(expanded(p))).run(feeds)).y!));
    a!.forEach((value, i) => expect(b![i]).toBeCloseTo(value, 9));
  });
  test.each<[string, Program]>([
    ['weights that the program updates', { outputs: { y: normalise(apply1(weigh, [x, w], {})) }, updates: [[gamma!, fill(1, [3])]] }],
    ['a result read unscaled', ((y) => ({ outputs: { y: normalise(y), raw: y } }))(apply1(weigh, [x, w], {}))],
    ['a kink', { outputs: { y: map([apply1(weigh, [x, w], {}), gamma!], (v, g) => e.mul(e.max(v, 0), g)) } }],
    ['a scale per element', { outputs: { y: map([apply1(weigh, [x, w], {}), variable('full', [2, 3])], (v, g) => e.mul(v, g)) } }],
  ])('%s: left alone', (_, program) => {
    expect(names(foldScales(program))).toEqual(names(program));
  });
});

describe('schedule', () => {
  const kernelFor =
    (fusing: Kernel['fusion']) =>
    (node: Node): Kernel => ({
      op: node.op,
      backend: 'test',
      ...(node.op.name.startsWith('core/map') || !fusing ? {} : { fusion: fusing }),
    });
  const x = input('x', [2, 3]);
  const w = variable('w', [3], [1, 2, 3]);
  const conv = (): Value => apply1(weigh, [x, w], {});

  test('bias and activation go into the epilogue, reading per-channel vectors and full tensors', () => {
    const program = {
      outputs: { y: map([conv(), variable('b', [3]), input('r', [2, 3])], (a, b, r) => e.max(e.add(e.add(a, b), r), 0)) },
    };
    const { steps } = schedule(program, kernelFor({ epilogue: true }));
    expect(steps.map((step) => [step.node.op.name, step.epilogue?.values.length, step.outputs[0] === program.outputs.y])).toEqual([
      ['test/weigh', 3, true],
    ]);
    expect(schedule(program, kernelFor(undefined)).steps.length).toBe(2);
  });
  test('an epilogue waits for what it reads', () => {
    const y = conv();
    const late = reduce(input('r', [2, 3, 4]), { kind: 'sum', axes: [2] });
    const { steps } = schedule({ outputs: { y: plus(y, late) } }, kernelFor({ epilogue: true }));
    expect(steps.map((step) => step.node.op.name)).toEqual(['core/reduce', 'test/weigh']);
  });
  test('a result with another reader keeps its own storage', () => {
    const y = conv();
    expect(schedule({ outputs: { a: relu(y), y } }, kernelFor({ epilogue: true })).steps.length).toBe(2);
  });
  test('a shifted batch norm is not fused into a zero-padded load, unless the kernel masks', () => {
    const beta = variable('beta', [3]);
    const shifted = { outputs: { y: apply1(weigh, [plus(x, beta), w], {}) } };
    const activated = { outputs: { y: apply1(weigh, [relu(x), w], {}) } };
    const loads = (program: Program, load: 'masked' | 'zero-preserving'): number =>
      schedule(program, kernelFor({ load: { 0: load } })).steps.filter((step) => step.loads[0]).length;
    expect([loads(shifted, 'zero-preserving'), loads(shifted, 'masked'), loads(activated, 'zero-preserving')]).toEqual([0, 1, 1]);
  });
  test('reshapes move nothing', () => {
    const plan = schedule({ outputs: { y: reshape(relu(x), [3, 2]) } }, kernelFor(undefined));
    expect(plan.steps.length).toBe(1);
    expect(plan.stored(plan.outputs[0]![1])).toBe(plan.steps[0]!.outputs[0]);
  });
  test('what depends on variables alone is separated', () => {
    const scaled = map([w], (a) => e.mul(a, 2));
    const plan = schedule({ outputs: { y: apply1(weigh, [x, scaled], {}) } }, kernelFor(undefined));
    expect([plan.prelude.length, plan.steps.length, plan.staticVariables]).toEqual([1, 1, [w]]);
    const training = schedule({ outputs: { y: apply1(weigh, [x, scaled], {}) }, updates: [[w, scaled]] }, kernelFor(undefined));
    expect([training.prelude.length, training.steps.length]).toEqual([0, 2]);
  });
  test('a variable is overwritten in place only after its last reader', () => {
    const grown = map([w], (a) => e.add(a, 1));
    const direct = (program: Program): boolean[] => schedule(program, kernelFor(undefined)).updates.map((update) => update.direct);
    expect(direct({ outputs: {}, updates: [[w, grown]] })).toEqual([true]);
    expect(direct({ outputs: { old: w }, updates: [[w, grown]] })).toEqual([false]);
    expect(
      direct({
        outputs: {},
        updates: [
          [w, grown],
          [variable('v', [3]), map([w, grown], (a, b) => e.mul(a, b))],
        ],
      }),
    ).toEqual([false, true]);
  });
});

describe('memory plan', () => {
  const plan = (program: Program) => {
    const { steps, outputs } = schedule(program, (node) => ({ op: node.op, backend: 'test' }));
    return planMemory({
      steps,
      bytesOf: ({ shape }) => 4 * shape.reduce((a, b) => a * b, 1),
      alignment: 16,
      after: outputs.map(([, value]) => value),
      elsewhere: (value) => value.origin.kind !== 'node',
    });
  };
  test('a long chain needs two buffers', () => {
    let y: Value = input('x', [64]);
    for (let i = 0; i < 10; i++)
      y = reduce(concat([y, y], 0).shape.length ? reshape(concat([y, y], 0), [2, 64]) : y, { kind: 'sum', axes: [0] });
    const { arenaBytes, livePeakBytes, unsharedBytes } = plan({ outputs: { y } });
    expect([arenaBytes, livePeakBytes, unsharedBytes]).toEqual([768, 768, 7680]);
  });
  test('tensors alive together never overlap, and the arena is never below the live peak', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { minLength: 1, maxLength: 30 }), (choices) => {
        const values: Value[] = Array.from({ length: 8 }, (_, i) => input(`x${i}`, [1 + i]));
        for (const [a, b] of choices)
          values.push(
            concat([values.at(-1 - a)!, values.at(-1 - b)!], 0).shape[0]! > 4096
              ? reduce(values.at(-1)!, { kind: 'sum', keep: true })
              : concat([values.at(-1 - a)!, values.at(-1 - b)!], 0),
          );
        const result = plan({ outputs: { y: values.at(-1)!, z: values.at(-2)! } });
        const placed = [...result.placements.values()];
        expect(result.arenaBytes).toBeGreaterThanOrEqual(result.livePeakBytes);
        for (const a of placed) {
          expect(a.offset % 16).toBe(0);
          for (const b of placed) {
            const together = a !== b && a.first <= b.last && b.first <= a.last;
            if (together) expect(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset).toBe(true);
          }
        }
      }),
    );
  });
});
