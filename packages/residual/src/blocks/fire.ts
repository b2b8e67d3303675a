import { checkOptions, concat, type Value } from '@shoal/core';
import { kaimingUniform, relu } from '@shoal/math';
import { contextKeys, layers, type BlockContext, type BlockResult } from './layers.ts';

export interface FireBlockOptions extends BlockContext {
  /** Channels of the 1x1 convolution that all else reads. */
  readonly squeeze: number;
  /** Output channels of the 1x1 half. */
  readonly expand1x1: number;
  /** Output channels of the 3x3 half. */
  readonly expand3x3: number;
}

/**
 * The Fire module of SqueezeNet (Iandola et al., 2016): a 1x1 convolution squeezes the channels, a 1x1 and a 3x3 convolution expand
 * them side by side; ReLU after each, biases, no batch norm.
 *
 * @param x [n,h,w,c]
 * @returns [n,h,w, expand1x1 + expand3x3]; variables squeeze, expand1x1, expand3x3
 */
export function fireBlock(x: Value, options: FireBlockOptions): BlockResult {
  checkOptions('residual/fire-block', options, [...contextKeys, 'squeeze', 'expand1x1', 'expand3x3']);
  const net = layers(options, x);
  const shared = { bias: true, initialiser: kaimingUniform({ seed: options.scope.seed }) };
  const squeezed = relu(net.conv('squeeze', x, { ...shared, channels: options.squeeze }));
  const narrow = relu(net.conv('expand1x1', squeezed, { ...shared, channels: options.expand1x1 }));
  const wide = relu(net.conv('expand3x3', squeezed, { ...shared, channels: options.expand3x3, window: 3, padding: 1 }));
  return net.result(concat([narrow, wide], -1));
}
