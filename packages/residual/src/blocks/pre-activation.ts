import { checkOptions, nhwc, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import type { ResidualBlockOptions } from './basic.ts';
import { contextKeys, layers, type BlockResult, type Layers } from './layers.ts';
import { shortcutInput } from './shortcut.ts';

export interface PreActivationBlockOptions extends ResidualBlockOptions {
  /** Two 3x3 convolutions (`basic`, default), or 1x1, 3x3, 1x1 with a quarter of the channels between them. */
  readonly branch?: 'basic' | 'bottleneck';
}

/**
 * The pre-activation block (He et al., "Identity mappings in deep residual networks", 2016): batch norm and ReLU stand before each
 * convolution and nothing after the sum, so that an unbroken identity runs through all blocks of a stage. Where shape or stride
 * change, the shortcut is a 1x1 convolution `shortcut` of the activated input.
 *
 * @param x [n,h,w,c]
 * @returns [n, ceil(h / stride), ceil(w / stride), channels]; variables bn1, conv1, bn2, conv2 (bn3, conv3) and shortcut
 */
export function preActivationBlock(x: Value, options: PreActivationBlockOptions): BlockResult {
  const op = 'residual/pre-activation-block';
  checkOptions(op, options, [...contextKeys, 'channels', 'stride', 'shortcut', 'branch']);
  const { channels, stride = 1, shortcut = 'strided', branch = 'basic' } = options;
  const net = layers(options, x);
  const activated = relu(net.batchNorm('bn1', x));
  const built =
    branch === 'basic' ? basicBranch(net, activated, { channels, stride }) : bottleneckBranch(net, activated, { channels, stride });
  const reduced = shortcutInput(op, activated, stride, shortcut);
  if (stride === 1 && nhwc(op, x.shape)[3] === channels) return net.result(add(built, x));
  return net.result(add(built, net.conv('shortcut', reduced.input, { channels, stride: reduced.stride })));
}

interface BranchOptions {
  readonly channels: number;
  readonly stride?: number;
  readonly dilation?: number;
}

function basicBranch(net: Layers, activated: Value, { channels, stride = 1 }: BranchOptions): Value {
  const first = net.conv('conv1', activated, { channels, window: 3, stride, padding: 1 });
  return net.conv('conv2', relu(net.batchNorm('bn2', first)), { channels, window: 3, padding: 1 });
}

/** conv1 1x1 to a quarter of the channels, bn2, ReLU, conv2 3x3, bn3, ReLU, conv3 1x1. */
export function bottleneckBranch(net: Layers, activated: Value, { channels, stride = 1, dilation = 1 }: BranchOptions): Value {
  const width = Math.floor(channels / 4);
  const first = net.conv('conv1', activated, { channels: width });
  const second = net.conv('conv2', relu(net.batchNorm('bn2', first)), { channels: width, window: 3, stride, padding: dilation, dilation });
  return net.conv('conv3', relu(net.batchNorm('bn3', second)), { channels });
}
