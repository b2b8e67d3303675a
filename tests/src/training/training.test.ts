import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { gradients, input, philox4x32, type Runtime, type TensorData } from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLASSES, fashionMnist, SIDE, type Images } from './fashion-mnist.ts';
import { network, type Halving, type Network } from './networks.ts';

const SEED = 7;
const BATCH = 40;
const STEPS = 300;
const PIXELS = SIDE * SIDE;

/** A permutation of the images for each epoch (Fisher and Yates), drawn from the seed. */
function shuffled(count: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = philox4x32([i, epoch, 0, 0], [SEED, 0])[0] % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The batches of each step, epoch after epoch. */
function* batches({ count, pixels, labels }: Images): Generator<{ readonly images: Float32Array; readonly labels: Int32Array }> {
  for (let epoch = 0; ; epoch++) {
    const order = shuffled(count, epoch);
    for (let start = 0; start + BATCH <= count; start += BATCH) {
      const chosen = order.subarray(start, start + BATCH);
      const images = new Float32Array(BATCH * PIXELS);
      chosen.forEach((image, i) => images.set(pixels.subarray(image * PIXELS, (image + 1) * PIXELS), i * PIXELS));
      yield { images, labels: Int32Array.from(chosen, (image) => labels[image]!) };
    }
  }
}

interface Trained {
  readonly losses: readonly number[];
  /** Share of held-out images whose class the network named. */
  readonly accuracy: number;
  /** Parameters and optimizer state, by name. */
  readonly state: Readonly<Record<string, TensorData>>;
}

async function accuracyOf({ logits }: Network, runtime: Runtime, { count, pixels, labels }: Images): Promise<number> {
  const batch = 500;
  const executable = await runtime.compile({ outputs: { logits: logits(input('images', [batch, SIDE, SIDE, 1])) } });
  let right = 0;
  for (let start = 0; start < count; start += batch) {
    const { logits: scores } = await executable.run({ images: pixels.subarray(start * PIXELS, (start + batch) * PIXELS) });
    for (let i = 0; i < batch; i++) {
      const row = [...scores!.subarray(i * CLASSES, (i + 1) * CLASSES)];
      if (row.indexOf(Math.max(...row)) === labels[start + i]) right += 1;
    }
  }
  return right / count;
}

async function train(halving: Halving, threads: number, data: Images, heldOut: Images): Promise<Trained> {
  const runtime = await createRuntime(wasm({ threads }), [convWasm, mathWasm, poolWasm]);
  try {
    expect(runtime.info.threads).toBe(threads);
    const net = network(halving, SEED);
    const { parameters } = net;
    const loss = softmaxCrossEntropy(net.logits(input('images', [BATCH, SIDE, SIDE, 1])), input('labels', [BATCH], 'i32'));
    const { updates, state } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.05, momentum: 0.9 });
    const step = await runtime.compile({ outputs: { loss }, updates });
    const losses: number[] = [];
    for (const batch of batches(data)) {
      if (losses.length === STEPS) break;
      const { loss: value } = await step.run(batch);
      losses.push(value![0]!);
    }
    const accuracy = await accuracyOf(net, runtime, heldOut);
    const values: Record<string, TensorData> = {};
    for (const variable of [...parameters, ...state]) values[variable.name] = await runtime.read(variable);
    return { losses, accuracy, state: values };
  } finally {
    await runtime.dispose();
  }
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
/** The bits themselves: NaN is equal to itself, and 0 differs from -0. */
const bits = (data: TensorData): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe.each<Halving>(['pooled', 'strided'])('a small %s network on Fashion-MNIST', (halving) => {
  let runs: { one: Trained; two: Trained };
  let heldOut: Images;

  beforeAll(async () => {
    const data = fashionMnist('train-0', 'train-1');
    heldOut = fashionMnist('held-out');
    runs = { one: await train(halving, 1, data, heldOut), two: await train(halving, 2, data, heldOut) };
  }, 60_000);

  afterAll(() => {
    const { losses, accuracy } = runs.one;
    console.log(
      `${halving}: ${percent(accuracy)} of ${heldOut.count} held-out images after ${STEPS} steps (chance: ${percent(1 / CLASSES)}), ` +
        `loss ${mean(losses.slice(0, 10)).toFixed(2)} -> ${mean(losses.slice(-50)).toFixed(2)}`,
    );
  });

  test('the loss falls', () => {
    const { losses } = runs.one;
    expect(losses[0]).toBeGreaterThan(0.8 * Math.log(CLASSES));
    expect(mean(losses.slice(-50))).toBeLessThan(0.5 * mean(losses.slice(0, 10)));
  });

  test('at least 75 % of 2,000 held-out images are right (chance: 10 %)', () => {
    expect(heldOut.count).toBe(2000);
    expect(runs.one.accuracy).toBeGreaterThanOrEqual(0.75);
  });

  test('two runs with one seed, on 1 and on 2 threads, have the same bits', () => {
    const { one, two } = runs;
    expect(two.losses).toEqual(one.losses);
    const names = Object.keys(one.state);
    expect(names).toHaveLength(12);
    expect(names.filter((name) => !bits(one.state[name]!).equals(bits(two.state[name]!)))).toEqual([]);
  });
});
