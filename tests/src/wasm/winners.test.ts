import { createRuntime, wasm } from '@shoal/backend-wasm';
import { apply1, gradients, input, type Program, type Runtime } from '@shoal/core';
import { maxPool2d, maxPool2dWithWinner, maxPoolGradient, type PoolAttributes } from '@shoal/pool';
import { poolWasm } from '@shoal/pool/wasm';
import { afterAll, beforeAll, expect, test } from 'vitest';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime(wasm({ threads: 1 }), [poolWasm]);
});
afterAll(() => runtime.dispose());

const x = input('x', [2, 13, 17, 10]);
const options = { window: 3, stride: 2, padding: 1 };

async function stepsOf(program: Program): Promise<readonly string[]> {
  const executable = await runtime.compile(program);
  executable.dispose();
  return executable.schedule.steps.map(({ node }) => node.op.name);
}

test('a gradient keeps a byte for each winner', async () => {
  const y = maxPool2d(x, options);
  const program = { outputs: { dx: gradients(y, [x], { seed: input('seed', y.shape) })[0]! } };
  const executable = await runtime.compile(program);
  const kept = [...executable.memory.placements.values()].filter(({ value }) => value.dtype !== 'f32');
  // Ten channels in three words.
  expect(kept.map(({ value, bytes }) => [value.shape, bytes])).toEqual([[[2, 7, 9, 3], Math.ceil((2 * 7 * 9 * 12) / 64) * 64]]);
  executable.dispose();
});
test('winners are written out only for who asks for them', async () => {
  const { output, winner } = maxPool2dWithWinner(x, options);
  const dx = gradients(output, [x], { seed: input('seed', output.shape) })[0]!;
  expect(await stepsOf({ outputs: { output } })).toEqual(['pool/wasm-max']);
  expect(await stepsOf({ outputs: { dx } })).toEqual(['pool/wasm-max', 'pool/wasm-max-gradient']);
  expect([...(await stepsOf({ outputs: { dx, winner } }))].toSorted()).toEqual([
    'pool/wasm-max',
    'pool/wasm-max-gradient',
    'pool/wasm-winners',
  ]);
});
test('winners from elsewhere are cells of the plane', async () => {
  const { output } = maxPool2dWithWinner(x, options);
  const attributes = { ...(output.node!.attributes as PoolAttributes), inputShape: x.shape };
  const dx = apply1(maxPoolGradient, [input('dy', output.shape), input('winner', output.shape, 'i32')], attributes);
  expect(await stepsOf({ outputs: { dx } })).toEqual(['pool/max-gradient']);
});
