import { input, sizeOf } from '@shoal/core';
import { stepAmount } from './cost.ts';
import { sampler, type Built } from './networks.ts';
import { numbers } from './numbers.ts';
import type { Value } from '@shoal/core';
import type { Work } from './work.ts';

interface Training {
  readonly name: string;
  readonly batch: number;
  readonly size: number;
  readonly classes: number;
  readonly build: (x: Value, train: boolean) => Built;
  readonly without?: Work['without'];
}

const trainings: readonly Training[] = [{ name: 'sampler', batch: 8, size: 32, classes: 10, build: sampler }];

/** A training step: forward, backward and the optimizer, all parameters staying in the engine. */
export const trainingWorks: readonly Work[] = trainings.map(({ name, batch, size, classes, build, without }): Work => {
  const x = input('x', [batch, size, size, 3]);
  const labels = input('labels', [batch], 'i32');
  const { logits, parameters, updates } = build(x, true);
  return {
    id: `${name} batch ${batch} step`,
    group: 'training',
    phase: 'step',
    amount: stepAmount(logits),
    // A ReLU whose input is within rounding of 0 passes a gradient in one engine and not in the other: single differences are large.
    tolerance: { typical: 1e-2 },
    ...(without ? { without } : {}),
    build: () => ({
      phase: 'step',
      logits,
      labels,
      parameters,
      updates,
      learningRate: 0.01,
      momentum: 0.9,
      feeds: { x: numbers(sizeOf(x.shape), 1), labels: Int32Array.from({ length: batch }, (_, i) => (7 * i) % classes) },
    }),
  };
});
