import { conv2d } from '@shoal/conv';
import { concat, input, reshape, sizeOf, variable, type Value } from '@shoal/core';
import { add, kaimingNormal, matmul, parameter, relu, sigmoid, multiply, type Update } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { batchNorm, channelGroupSum, upsampleNearest } from '@shoal/residual';
import type { Variable } from '@shoal/core';
import { forwardAmount } from './cost.ts';
import { numbers } from './numbers.ts';
import type { Work } from './work.ts';

export interface Built {
  readonly logits: Value;
  readonly parameters: readonly Variable[];
  readonly updates: readonly Update[];
}

/** Every word of the portable vocabulary in a few layers: what shows an exporter's or an engine's mistake before a large network does. */
export function sampler(x: Value, train: boolean): Built {
  const parameters: Variable[] = [];
  const updates: Update[] = [];
  const weights = (name: string, shape: readonly number[]): Variable => {
    const made = parameter(`sampler.${name}`, shape, kaimingNormal({ seed: 1 }));
    parameters.push(made);
    return made;
  };
  const normalise = (name: string, value: Value): Value => {
    const channels = value.shape.at(-1)!;
    const gamma = variable(`sampler.${name}.gamma`, [channels], 1.25);
    const beta = variable(`sampler.${name}.beta`, [channels], 0.125);
    parameters.push(gamma, beta);
    const running = { mean: variable(`sampler.${name}.mean`, [channels], 0.5), variance: variable(`sampler.${name}.variance`, [channels], 2) };
    const normalised = batchNorm(value, { gamma, beta, ...running }, { train });
    updates.push(...normalised.updates);
    return normalised.output;
  };
  const channels = x.shape.at(-1)!;
  const stem = relu(normalise('stem', conv2d(x, weights('stem', [3, 3, channels, 16]), { padding: 'same', stride: 2 })));
  const pooled = maxPool2d(stem, { window: 3, stride: 2, padding: 1 });
  const before = relu(normalise('before', pooled));
  const bias = variable('sampler.bias', [16], 0.25);
  parameters.push(bias);
  const branch = conv2d(before, weights('branch', [3, 3, 16, 16]), { padding: 'same', bias });
  const joined = concat([add(branch, pooled), upsampleNearest(maxPool2d(branch, { window: 2 }), { scale: 2 })], 3);
  const summed = channelGroupSum(joined, { groups: 16 });
  const gate = sigmoid(conv2d(globalAveragePool2d(summed), weights('gate', [1, 1, 16, 16])));
  const features = globalAveragePool2d(relu(multiply(summed, gate)));
  const logits = matmul(reshape(features, [x.shape[0]!, 16]), weights('dense', [16, 10]));
  return { logits, parameters, updates };
}

interface Network {
  readonly name: string;
  readonly size: number;
  readonly build: (x: Value, train: boolean) => Built;
}

const networks: readonly Network[] = [{ name: 'sampler', size: 32, build: sampler }];

/** Inference on one image. */
export const networkWorks: readonly Work[] = networks.map(({ name, size, build }): Work => {
  const x = input('x', [1, size, size, 3]);
  const { logits } = build(x, false);
  return {
    id: `${name} fwd`,
    group: 'network',
    phase: 'fwd',
    amount: forwardAmount(logits),
    tolerance: { largest: 1e-3 },
    build: () => ({ phase: 'fwd', y: logits, feeds: { x: numbers(sizeOf(x.shape), 1) } }),
  };
});
