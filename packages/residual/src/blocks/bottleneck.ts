import { checkOptions, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { projection, type ResidualBlockOptions } from './basic.ts';
import { contextKeys, layers, type BlockResult } from './layers.ts';

export interface BottleneckBlockOptions extends ResidualBlockOptions {
  /** Channels of the 3x3 convolution; default a quarter of the output channels. */
  readonly width?: number;
  /** Groups of the 3x3 convolution (ResNeXt); default 1. */
  readonly groups?: number;
  /** Dilation of the 3x3 convolution; default 1. */
  readonly dilation?: number;
}

/**
 * The bottleneck of ResNet-50 and deeper (He et al., "Deep residual learning", 2015): 1x1 down to `width`, 3x3, 1x1 up, each with
 * batch norm; ReLU between them and after the sum with the shortcut. The stride is on the 3x3 convolution, as torchvision has it
 * ("ResNet v1.5"), so that no 1x1 convolution of the branch skips cells.
 *
 * @param x [n,h,w,c]
 * @returns [n, ceil(h / stride), ceil(w / stride), channels]; variables conv1, bn1, conv2, bn2, conv3, bn3 and downsample
 */
export function bottleneckBlock(x: Value, options: BottleneckBlockOptions): BlockResult {
  checkOptions('residual/bottleneck-block', options, [...contextKeys, 'channels', 'stride', 'shortcut', 'width', 'groups', 'dilation']);
  const { channels, stride = 1, width = Math.floor(channels / 4), groups = 1, dilation = 1 } = options;
  const net = layers(options, x);
  const first = relu(net.batchNorm('bn1', net.conv('conv1', x, { channels: width })));
  const middle = net.conv('conv2', first, { channels: width, window: 3, stride, padding: dilation, dilation, groups });
  const second = relu(net.batchNorm('bn2', middle));
  const third = net.batchNorm('bn3', net.conv('conv3', second, { channels }));
  const shortcut = net.use(projection(x, { ...options, ...net.at('downsample') }));
  return net.result(relu(add(third, shortcut)));
}
