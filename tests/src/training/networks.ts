import { conv2d } from '@shoal/conv';
import { reshape, type Value, type Variable } from '@shoal/core';
import { add, kaimingNormal, matmul, parameter, relu, xavierNormal } from '@shoal/math';
import { maxPool2d } from '@shoal/pool';
import { CLASSES, SIDE } from './fashion-mnist.ts';

export interface Network {
  readonly parameters: readonly Variable[];
  /** `images` [n, 28, 28, 1] -> logits [n, 10]. Batches of any size share the parameters. */
  readonly logits: (images: Value) => Value;
}

/** How a network halves its feature maps: a convolution at every pixel and the largest of each 2x2, or a convolution at every second pixel. */
export type Halving = 'pooled' | 'strided';

const CHANNELS = [16, 32];

/** Two 3x3 convolutions, each with one halving, and one dense layer. The two kinds have the same parameters. */
export function network(halving: Halving, seed: number): Network {
  const layers = CHANNELS.map((outputs, i) => ({
    weight: parameter(`conv${i}.weight`, [3, 3, CHANNELS[i - 1] ?? 1, outputs], kaimingNormal({ seed })),
    bias: parameter(`conv${i}.bias`, [outputs], 0),
  }));
  const features = (SIDE / 4) ** 2 * CHANNELS.at(-1)!;
  const dense = {
    weight: parameter('dense.weight', [features, CLASSES], xavierNormal({ seed })),
    bias: parameter('dense.bias', [CLASSES], 0),
  };
  return {
    parameters: [...layers, dense].flatMap(({ weight, bias }) => [weight, bias]),
    logits: (images) => {
      let x = images;
      for (const { weight, bias } of layers) {
        const stride = halving === 'strided' ? 2 : 1;
        x = relu(conv2d(x, weight, { bias, stride, padding: 'same' }));
        if (halving === 'pooled') x = maxPool2d(x, { window: 2 });
      }
      return add(matmul(reshape(x, [x.shape[0]!, features]), dense.weight), dense.bias);
    },
  };
}
