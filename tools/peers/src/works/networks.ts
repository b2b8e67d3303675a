import { input, sizeOf, type Value } from '@shoal/core';
import type { BlockResult, BuildOptions } from '@shoal/residual';
import { networks, type NetworkName } from '@shoal/zoo';
import { forwardAmount } from './cost.ts';
import { numbers } from './numbers.ts';
import { sampler, tiny } from './small.ts';
import type { Work } from './work.ts';

/** What a network is here: zoo networks, and the small ones beside them. */
export interface Network {
  readonly name: string;
  readonly input: readonly [height: number, width: number, channels: number];
  build(image: Value, options: BuildOptions): BlockResult;
}

/** A network by its name, with variables of its own: works do not train each other's. */
export const networkNamed = (name: NetworkName | 'sampler' | 'tiny'): Network =>
  name === 'sampler' ? sampler() : name === 'tiny' ? tiny() : networks[name]();

const names = ['resnet18', 'resnet50', 'squeezenet1_1', 'fishnet99', 'all-cnn-c', 'sampler'] as const;

/** Inference on one image. */
export const networkWorks: readonly Work[] = names.map((name): Work => {
  const network = networkNamed(name);
  const x = input('x', [1, ...network.input]);
  const { output } = network.build(x, { train: false });
  return {
    id: `${name} fwd`,
    group: 'network',
    phase: 'fwd',
    amount: forwardAmount(output),
    tolerance: { largest: 1e-3 },
    without: name === 'sampler' ? {} : { 'tfjs-cpu': 'plain JavaScript: one run takes too long to sample' },
    build: () => ({ phase: 'fwd', y: output, feeds: { x: numbers(sizeOf(x.shape), 1) } }),
  };
});
