import { reshape, type Value } from '@shoal/core';
import { relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { basicBlock, network, type Layers, type Network } from '@shoal/residual';

/** A stem shrinks the image by 4, whatever it is made of. */
export type Stem = (net: Layers, image: Value) => Value;

/** One wide convolution with stride, and pooling: ResNet's. */
export const pooledStem: Stem = (net, image) => {
  const wide = relu(net.batchNorm('bn', net.conv('conv', image, { channels: 16, window: 7, stride: 2, padding: 3 })));
  return maxPool2d(wide, { window: 3, stride: 2, padding: 1 });
};

/** Three small convolutions, two of them with stride, and no pooling. */
export const stridedStem: Stem = (net, image) =>
  [2, 2, 1].reduce((x, stride, i) => {
    const convolved = net.conv(`conv${i}`, x, { channels: 16, window: 3, stride, padding: 1 });
    return relu(net.batchNorm(`bn${i}`, convolved));
  }, image);

/** A small residual network: a stem, two blocks, and a classifier. */
export function small(stem: Stem, seed = 0): Network {
  return network({
    name: 'small',
    input: [64, 64, 3],
    seed,
    stages: ['stem', 'block1', 'block2'],
    body(net, image) {
      const first = net.tap('stem', stem(net, image));
      const second = net.use(basicBlock(first, { ...net.at('block1'), channels: 16 }));
      const third = net.use(basicBlock(second, { ...net.at('block2'), channels: 32, stride: 2 }));
      return net.dense('fc', reshape(globalAveragePool2d(third), [image.shape[0]!, 32]), { units: 10 });
    },
  });
}
