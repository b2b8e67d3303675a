import { checkpointTrade, cost } from '@shoal/analyze';
import { wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { createRuntime, gradients, input, sizeOf, type Program, type Runtime, type TensorData, type Variable } from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import type { Network, Tap } from '@shoal/residual';
import { residualWasm } from '@shoal/residual/wasm';
import { networks } from '@shoal/zoo';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noise } from '../wasm/comparison.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm]);
});
afterAll(() => runtime.dispose());

interface Training {
  readonly program: Program;
  readonly parameters: readonly Variable[];
}

/** A training step that keeps everything, or only the taps that are chosen. */
function trainingOf(network: Network, batch: number, isKept?: (tap: Tap) => boolean): Training {
  const { output, parameters, updates, taps } = network.build(input('image', [batch, ...network.input]), { train: true });
  const loss = softmaxCrossEntropy(output, input('label', [batch], 'i32'));
  const found = gradients(loss, parameters, isKept ? { keep: taps.filter(isKept).map(({ value }) => value) } : {});
  const step = sgd({ parameters, gradients: found, learningRate: 0.1, momentum: 0.9 });
  return { program: { outputs: { loss }, updates: [...step.updates, ...updates] }, parameters };
}

describe.each(['resnet-mini', 'fishnet-mini', 'squeezenet1_1'] as const)('%s', (name) => {
  test('checkpoints change neither the losses nor the parameters, in any bit', { timeout: 120_000 }, async () => {
    const results: (readonly TensorData[])[] = [];
    for (const isKept of [undefined, ({ kind }: Tap) => kind === 'block']) {
      // The same seeds make the same parameters; another network object has variables of its own.
      const network = networks[name]();
      const { program, parameters } = trainingOf(network, 2, isKept);
      const executable = await runtime.compile(program);
      const feeds = { image: noise(2 * sizeOf(network.input), 3), label: Int32Array.of(1, 3) };
      const losses = [];
      for (let step = 0; step < 2; step++) losses.push((await executable.run(feeds))['loss']!);
      results.push([...losses, ...(await Promise.all(parameters.map((each) => runtime.read(each))))]);
      executable.dispose();
    }
    expect(results[0]![0]![0]).toBeGreaterThan(0);
    expect(results[1]).toEqual(results[0]);
  });
});

test('ResNet-50 at 224: less than half the memory, for one more forward pass', { timeout: 120_000 }, async () => {
  const network = networks.resnet50();
  const stages = new Set(network.stages);
  const kept = trainingOf(network, 4).program;
  const checkpointed = trainingOf(network, 4, ({ name }) => stages.has(name)).program;
  const { multiplyAccumulates, bytes } = await checkpointTrade(runtime, kept, checkpointed);
  console.log(
    `ResNet-50, batch 4: ${(bytes.kept / 2 ** 20).toFixed(0)} MiB, with checkpoints ${(bytes.checkpointed / 2 ** 20).toFixed(0)} MiB, ` +
      `for ${((100 * multiplyAccumulates.again) / multiplyAccumulates.kept).toFixed(1)} % more multiply-accumulates`,
  );
  expect(bytes.saved).toBe(bytes.kept - bytes.checkpointed);
  expect(bytes.checkpointed).toBeLessThan(bytes.kept / 2);
  const forward = cost(network, { batch: 4, train: false }).macs;
  expect(multiplyAccumulates.again).toBeGreaterThan(0.9 * forward);
  // In training batch norms count too.
  expect(multiplyAccumulates.again).toBeLessThan(1.01 * forward);
});
