import { input, sizeOf } from '@shoal/core';
import { stepAmount } from './cost.ts';
import { networkNamed } from './networks.ts';
import { numbers } from './numbers.ts';
import type { Work } from './work.ts';

const trainings = [
  { name: 'all-cnn-c', batch: 32 },
  { name: 'resnet18', batch: 8 },
  { name: 'fishnet99', batch: 8 },
  { name: 'sampler', batch: 8 },
  { name: 'tiny', batch: 4 },
] as const;

/** What an interpreter trains in less than a minute. */
const smallest: readonly string[] = ['sampler', 'tiny'];

/*
 * A ReLU whose input is within rounding of 0 passes a gradient in one engine and not in another: single differences are large, their
 * root mean square is not. FishNet-99 amplifies rounding through 99 layers that are normalised by their batch: in float32, PyTorch and
 * Shoal alike are 1 to 7 % from a float64 run after one step (two images of 64x64).
 */

/** A training step: forward, backward and the optimizer, all parameters staying in the engine. Dropout is off: no two engines draw alike. */
export function trainingWorkOf(name: Parameters<typeof networkNamed>[0], batch: number): Work {
  const network = networkNamed(name);
  const x = input('x', [batch, ...network.input]);
  const labels = input('labels', [batch], 'i32');
  const { output: logits, parameters, updates } = network.build(x, { train: true, dropout: false });
  const classes = logits.shape.at(-1)!;
  return {
    id: `${name} batch ${batch} step`,
    group: 'training',
    phase: 'step',
    amount: stepAmount(logits),
    tolerance: { typical: name === 'fishnet99' ? 0.1 : 1e-2 },
    without: smallest.includes(name) ? {} : { 'tfjs-cpu': 'plain JavaScript: one step takes too long to sample' },
    build: () => ({
      phase: 'step',
      logits,
      labels,
      parameters,
      updates,
      learningRate: 0.001,
      momentum: 0.9,
      feeds: { x: numbers(sizeOf(x.shape), 1), labels: Int32Array.from({ length: batch }, (_, i) => (7 * i) % classes) },
    }),
  };
}

export const trainingWorks: readonly Work[] = trainings.map(({ name, batch }) => trainingWorkOf(name, batch));
