import type { Runtime } from '@shoal/core';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { formulaTensor, parseGolden, verifyGolden, type Golden } from '@shoal/zoo/golden';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readGolden } from './goldens.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm, residualWasm]);
});
afterAll(() => runtime.dispose());

const golden = readGolden('resnet-mini.frozenbn');
const { train } = golden;

/** The golden with one stage changed. */
const withStage = (name: string, change: (stage: Golden['train']['stages'][number]) => object): Golden => ({
  ...golden,
  train: { ...train, stages: train.stages.map((stage) => (stage.name === name ? { ...stage, ...change(stage) } : stage)) },
});

test.each<[string, Golden, readonly string[]]>([
  [
    'another number of a stage',
    withStage('layer2', ({ f64 }) => ({ f64: { ...f64, first4: f64.first4.map((x) => x + 0.01) } })),
    ['train/layer2'],
  ],
  ['a stage that nobody has', withStage('layer2', () => ({ name: 'layer5' })), ['train/layer5']],
  [
    'a gradient 0.1 % larger',
    {
      ...golden,
      train: {
        ...train,
        grads: train.grads.map((row) => (row[0] === 'fc.bias' ? [row[0], row[1] * 1.001, row[2], row[3], row[4], row[5]] : row)),
      },
    },
    ['gradient/fc.bias'],
  ],
  ['another loss', { ...golden, train: { ...train, loss_f64: train.loss_f64 + 1e-3 } }, ['train/loss']],
  ['other weights', { ...golden, weights_bits_sum_u32: 1 }, ['weights']],
  ['another image', { ...golden, train: { ...train, input: { ...train.input, bits_sum_u32: 1 } } }, ['train/image']],
])('%s is found', async (_, changed, expected) => {
  const checks = await verifyGolden(changed, runtime, { float64: false });
  expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(expected);
});

test('other labels are found in the loss and in the gradients, however often rounding decides anew', async () => {
  const checks = await verifyGolden({ ...golden, train: { ...train, labels: [8, 3] } }, runtime, { float64: false });
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  expect(failed[0]).toBe('train/loss');
  expect(failed.length).toBeGreaterThan(train.grads.length / 2);
});

test('the formula gives the numbers that the files state', () => {
  const full = readGolden('resnet-mini') as Golden & { readonly weight_samples: Readonly<Record<string, readonly number[]>> };
  const rows = Object.entries(full.weight_samples).map(([name, samples]) => {
    const [, shape, kind] = full.params!.find((row) => row[0] === name)!;
    return [formulaTensor(name, shape, kind as 'conv.weight', full.gain2), samples] as const;
  });
  expect(rows.length).toBeGreaterThan(2);
  for (const [own, samples] of rows) expect(Array.from(own.subarray(0, samples.length))).toEqual(samples);
});

test.each([
  ['{', 'golden: this is no JSON'],
  ['[]', 'golden: this is no object. Give a file with net, gain2, weights_bits_sum_u32 and train.'],
  ['{"net":"resnet18","train":{}}', 'golden: gain2, weights_bits_sum_u32 are missing.'],
])('%s is no golden file', (text, message) => {
  expect(() => parseGolden(text)).toThrow(message);
});

test('a network that is not in the zoo is named', async () => {
  await expect(verifyGolden({ ...golden, net: 'vgg16' }, runtime, { float64: false })).rejects.toThrow(
    "zoo: there is no network 'vgg16'. Networks: resnet18",
  );
});
