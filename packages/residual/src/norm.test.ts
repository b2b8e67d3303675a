import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { costOf, createRuntime, input, topological, variable } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { expect, test } from 'vitest';
import { batchNorm, batchNormGradient } from './batch-norm.ts';
import { channelGroupSum } from './channel-group-sum.ts';
import { groupNorm } from './group-norm.ts';
import { residualReference } from './reference/index.ts';

const stateOf = (channels: number) => ({
  gamma: variable('gamma', [channels], 2),
  beta: variable('beta', [channels], 1),
  mean: variable('mean', [channels], 3),
  variance: variable('variance', [channels], 4),
});
/** What a caller without types may pass. */
const untyped = (options: object): never => options as never;
const x = input('x', [2, 3, 4, 5]);

test('running statistics move in training and rest in evaluation', async () => {
  const state = stateOf(1);
  const data = input('x', [4, 1]);
  const runtime = await createRuntime(reference(), [residualReference]);
  const train = await runtime.compile({ outputs: {}, updates: batchNorm(data, state, { train: true }).updates });
  await train.run({ x: [1, 2, 3, 6] });
  expect((await runtime.read(state.mean))[0]).toBeCloseTo(0.9 * 3 + 0.1 * 3, 14);
  expect((await runtime.read(state.variance))[0]).toBeCloseTo(0.9 * 4 + (0.1 * 14) / 3, 14);
  expect(batchNorm(data, state, { train: false }).updates).toEqual([]);
  await runtime.dispose();
});

test('evaluation is one map of the input, and folds into the convolution before it', async () => {
  const state = stateOf(2);
  const image = input('image', [1, 3, 4, 1]);
  const plain = conv2d(image, variable('weight', [1, 1, 1, 2], [1, 10]));
  const { output } = batchNorm(plain, state, { train: false, epsilon: 0 });
  expect(topological([output]).filter(({ inputs }) => inputs.includes(plain)).map(({ op }) => op.name)).toEqual(['core/map']); // prettier-ignore
  const runtime = await createRuntime(reference(), [convReference]);
  const executable = await runtime.compile({ outputs: { output } });
  const scaled = executable.schedule.prelude.flatMap((step) => step.outputs.map((value) => value?.shape));
  expect(scaled).toContainEqual([1, 1, 1, 2]);
  const found = await executable.run({ image: Array.from({ length: 12 }, (_, i) => i) });
  expect(Array.from(found['output']!)).toEqual(
    Array.from({ length: 24 }, (_, i) => (Math.floor(i / 2) * (i % 2 === 0 ? 1 : 10) - 3) * 1 + 1),
  );
  await runtime.dispose();
});

test('costs count additions and roots', () => {
  const [normalised] = topological([batchNorm(x, stateOf(5), { train: true }).output]);
  expect(costOf(normalised!)).toMatchObject({
    multiplyAccumulates: 240,
    additions: 240,
    transcendentals: 10,
    bytes: 4 * (120 + 10 + 120 + 10),
  });
  expect(batchNormGradient.cost({ inputs: [x, stateOf(5).gamma], outputs: [], attributes: { epsilon: 0 } })).toEqual({
    multiplyAccumulates: 240, additions: 480, multiplications: 120, transcendentals: 10,
  }); // prettier-ignore
});

test('the batch-norm ops expand to the same numbers', async () => {
  const state = stateOf(5);
  const { output, updates } = batchNorm(x, state, { train: true });
  const program = { outputs: { output, mean: updates[0]![1], variance: updates[1]![1] } };
  const feeds = { x: Array.from({ length: 120 }, (_, i) => Math.sin(i)) };
  const run = async (kernels: Parameters<typeof createRuntime>[1]) =>
    (await (await createRuntime(reference(), kernels as never)).compile(program)).run(feeds);
  const [own, expanded] = [await run([residualReference]), await run([mathReference])];
  for (const name of ['output', 'mean', 'variance']) {
    expect(Array.from(expanded[name]!)).toEqual(Array.from(own[name]!, (value) => expect.closeTo(value, 12) as number));
  }
});

test.each([
  [() => batchNorm(x, stateOf(4), { train: false }), 'residual/batch-norm: gamma is [4] for 5 channels. Give it shape [5].'],
  [() => batchNorm(input('x', [5]), stateOf(5), { train: true }), 'residual/batch-norm: x is [5]. Give [n,c] or [n,h,w,c].'],
  [
    () => batchNorm(input('x', [1, 1, 1, 5]), stateOf(5), { train: true }),
    'residual/batch-norm: [1,1,1,5] has fewer than two values per channel. Train on larger batches, or evaluate.',
  ],
  [
    () => batchNorm(x, stateOf(5), { train: true, epsilon: -1 }),
    'residual/batch-norm: epsilon -1 is not a number of at least 0. Use 1e-5.',
  ],
  [() => batchNorm(x, stateOf(5), { train: true, momentum: 2 }), 'residual/batch-norm: momentum 2 is outside [0, 1]. Use 0.1.'],
  [
    () => batchNorm(x, stateOf(5), untyped({ training: true })),
    'residual/batch-norm: unknown option training. Known options: train, momentum, epsilon.',
  ],
  [() => groupNorm(x, stateOf(5), { groups: 2 }), 'residual/group-norm: 2 groups do not divide 5 channels. Use a divisor.'],
  [() => groupNorm(x, { gamma: x, beta: x }, { groups: 5 }), 'residual/group-norm: gamma is [2,3,4,5] for 5 channels. Give it shape [5].'],
  [() => channelGroupSum(x, { groups: 0 }), 'residual/channel-group-sum: 0 groups do not divide 5 channels. Use a divisor.'],
  [
    () => channelGroupSum(x, untyped({ groups: 5, layout: 'odd' })),
    "residual/channel-group-sum: unknown layout 'odd'. Use contiguous or interleaved.",
  ],
])('wrong input is a typed error %#', (build, message) => {
  expect(build).toThrow(message);
});
