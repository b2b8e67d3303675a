import { concat, reshape, type Value } from '@shoal/core';
import { add, multiply, relu, sigmoid } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { channelGroupSum, network, upsampleNearest } from '@shoal/residual';
import type { Network } from './networks.ts';

const CHANNELS = 16;
const CLASSES = 10;

const classify = (x: Value): Value => reshape(globalAveragePool2d(x), [x.shape[0]!, CHANNELS]);

/** Every word of the portable vocabulary in a few layers: what shows an exporter's or an engine's mistake before a large network does. */
export const sampler = (): Network =>
  network({
    name: 'sampler',
    input: [32, 32, 3],
    body(net, image) {
      const stem = relu(net.batchNorm('bn1', net.conv('conv1', image, { channels: CHANNELS, window: 3, stride: 2, padding: 'same' })));
      const pooled = maxPool2d(stem, { window: 3, stride: 2, padding: 1 });
      const branch = net.conv('conv2', relu(net.batchNorm('bn2', pooled)), { channels: CHANNELS, window: 3, padding: 1, bias: true });
      const joined = concat([add(branch, pooled), upsampleNearest(maxPool2d(branch, { window: 2 }), { scale: 2 })], 3);
      const summed = channelGroupSum(joined, { groups: CHANNELS });
      const gate = sigmoid(net.conv('gate', globalAveragePool2d(summed), { channels: CHANNELS, window: 1 }));
      return net.dense('fc', classify(relu(multiply(summed, gate))), { units: CLASSES });
    },
  });

/** Two convolutions with a pool between them: so small that an interpreter can train it, too. */
export const tiny = (): Network =>
  network({
    name: 'tiny',
    input: [16, 16, 3],
    body(net, image) {
      const first = relu(net.conv('conv1', image, { channels: 8, window: 3, padding: 1, bias: true }));
      const second = relu(net.conv('conv2', maxPool2d(first, { window: 2 }), { channels: CHANNELS, window: 3, padding: 1, bias: true }));
      return net.dense('fc', classify(second), { units: CLASSES });
    },
  });
