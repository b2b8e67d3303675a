import { checkOptions, reshape, type Value } from '@shoal/core';
import { kaimingUniform, normal, relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { fireBlock, network, type Layers, type Network } from '@shoal/residual';
import type { NetworkOptions } from './options.ts';

interface SqueezeNetShape {
  readonly stem: { readonly channels: number; readonly window: number };
  /** After the stem: Fire modules by their squeeze channels (the expansions have four times as many each), and max pools. */
  readonly features: readonly (number | 'pool')[];
}

/**
 * SqueezeNet (Iandola et al., 2016), its variables named as in torchvision: features.0, features.3.squeeze ... classifier.1.
 * Image [n,h,w,3] -> logits [n,classes]; the classifier is a 1x1 convolution before the average, with ReLU and dropout (0.5) around it.
 */
function squeezeNet(name: string, { stem, features }: SqueezeNetShape, options: NetworkOptions): Network {
  checkOptions(name, options, ['classes', 'seed']);
  const { classes = 1000, seed } = options;
  // Torchvision pools with ceil: a window that starts inside counts.
  const pool = (x: Value): Value => maxPool2d(x, { window: 3, stride: 2, ceilMode: true });
  const feature = (net: Layers, x: Value, at: string, kind: number | 'pool'): Value => {
    if (kind === 'pool') return net.tap(at, pool(x));
    return net.use(fireBlock(x, { ...net.at(at), squeeze: kind, expand1x1: 4 * kind, expand3x3: 4 * kind }));
  };
  return network({
    name,
    input: [224, 224, 3],
    seed,
    body(net, image) {
      const bias = true;
      const first = net.conv('features.0', image, { ...stem, stride: 2, bias, initialiser: kaimingUniform({ seed: seed ?? 0 }) });
      const last = features.reduce((x: Value, kind, i) => feature(net, x, `features.${i + 2}`, kind), relu(first));
      const dropped = net.dropout('classifier.0', last, { rate: 0.5 });
      const initialiser = normal({ seed: seed ?? 0, deviation: 0.01 });
      const scores = relu(net.conv('classifier.1', dropped, { channels: classes, bias, initialiser }));
      return reshape(net.tap('classifier.3', globalAveragePool2d(scores)), [image.shape[0]!, classes]);
    },
  });
}

/** Version 1.0: a 7x7 stem of 96 channels; 1,248,424 parameters with 1,000 classes. See the paper, arXiv 1602.07360. */
export function squeezenet1_0(options: NetworkOptions = {}): Network {
  const features = ['pool', 16, 16, 32, 'pool', 32, 48, 48, 64, 'pool', 64] as const;
  return squeezeNet('squeezenet1_0', { stem: { channels: 96, window: 7 }, features }, options);
}

/** Version 1.1: a 3x3 stem of 64 channels and earlier pooling, 2.4 times less work; 1,235,496 parameters with 1,000 classes. */
export function squeezenet1_1(options: NetworkOptions = {}): Network {
  const features = ['pool', 16, 16, 'pool', 32, 32, 'pool', 48, 48, 64, 64] as const;
  return squeezeNet('squeezenet1_1', { stem: { channels: 64, window: 3 }, features }, options);
}
