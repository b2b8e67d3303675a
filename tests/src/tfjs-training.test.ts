import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { conv2d } from '@shoal/conv';
import { convTfjs } from '@shoal/conv/tfjs';
import { createRuntime, gradients, input, reshape, variable, type Program, type Runtime, type TensorData } from '@shoal/core';
import { add, dropout, kaimingNormal, matmul, parameter, relu, sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathTfjs } from '@shoal/math/tfjs';
import { maxPool2d } from '@shoal/pool';
import { poolTfjs } from '@shoal/pool/tfjs';
import { batchNorm } from '@shoal/residual';
import { residualTfjs } from '@shoal/residual/tfjs';
import { expect, test } from 'vitest';
import { makeOracle } from './conformance/oracle.ts';

const [BATCH, CLASSES, STEPS] = [6, 3, 5];

/** One training step of a small network with everything in it: convolution, batch norm, max pooling, dropout, labels, momentum. */
function trainingStep(): Program {
  const [images, labels] = [input('images', [BATCH, 8, 7, 2]), input('labels', [BATCH], 'i32')];
  const step = variable('step', [], 0, 'u32');
  const weight = parameter('weight', [3, 3, 2, 5], kaimingNormal({ seed: 1 }));
  const [gamma, beta] = [parameter('gamma', [5], 1), parameter('beta', [5], 0.1)];
  const dense = parameter('dense', [60, CLASSES], kaimingNormal({ seed: 2 }));
  const state = { gamma, beta, mean: variable('mean', [5], 0), variance: variable('variance', [5], 1) };
  const normalised = batchNorm(conv2d(images, weight, { padding: 'same' }), state, { train: true });
  const pooled = maxPool2d(relu(normalised.output), { window: 2 });
  const dropped = dropout(pooled, { rate: 0.25, step, stream: 0, seed: 3 });
  const logits = matmul(reshape(dropped, [BATCH, 60]), dense);
  const loss = softmaxCrossEntropy(logits, labels, { reduction: 'mean' });
  const parameters = [weight, gamma, beta, dense];
  const { updates } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.1, momentum: 0.9 });
  return { outputs: { loss }, updates: [...updates, ...normalised.updates, [step, add(step, 1)]] };
}

const feeds = {
  images: Float32Array.from({ length: BATCH * 8 * 7 * 2 }, (_, i) => Math.sin(i * i)),
  labels: Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES),
};

async function trained(
  runtime: Runtime,
): Promise<{ readonly losses: readonly number[]; readonly state: Readonly<Record<string, TensorData>> }> {
  const program = trainingStep();
  const executable = await runtime.compile(program);
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) losses.push((await executable.run(feeds)).loss![0]!);
  const state: Record<string, TensorData> = {};
  for (const [variable] of program.updates!) state[variable.name] = await runtime.read(variable);
  return { losses, state };
}

for (const engine of ['cpu', 'wasm'] as const) {
  test(`a network trains on tfjs-${engine} as by definition, with the same bits each time, and leaves no tensor behind`, async () => {
    const tf = await importEngine(engine);
    const before = tf.memory().numTensors;
    const run = async (): Promise<Awaited<ReturnType<typeof trained>>> => {
      const runtime = await createRuntime(tfjs(tf), [convTfjs, mathTfjs, poolTfjs, residualTfjs]);
      const result = await trained(runtime);
      await runtime.dispose();
      return result;
    };
    const found = await run();
    expect(tf.memory().numTensors).toBe(before);
    expect(await run()).toEqual(found);

    const oracle = await makeOracle();
    const expected = await trained(oracle);
    await oracle.dispose();
    expect(expected.losses.at(-1)).toBeLessThan(expected.losses[0]!);
    found.losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i]!, 4));
    for (const [name, values] of Object.entries(expected.state)) {
      values.forEach((value, i) => expect(Math.abs(found.state[name]![i]! - value), `${name}[${i}]`).toBeLessThan(1e-4));
    }
  });
}
