import { checkOptions, type Value } from '@shoal/core';
import { relu, sigmoid } from '@shoal/math';
import { globalAveragePool2d } from '@shoal/pool';
import { layers, contextKeys, type BlockContext, type BlockResult } from './layers.ts';

export interface ChannelAttentionOptions extends BlockContext {
  /** Output channels. */
  readonly channels: number;
  /** Channels between the two convolutions. */
  readonly squeeze: number;
}

/**
 * One weight in (0, 1) per image and channel, from the mean of the normalised map: squeeze and excitation (Hu et al., 2018) as FishNet
 * (Sun et al., 2018) has it, with batch norm and ReLU before the mean.
 *
 * @param x [n,h,w,c]
 * @returns [n,1,1,channels]; variables `0` (batch norm), `3` and `5` (1x1 convolutions with bias)
 */
export function channelAttention(x: Value, options: ChannelAttentionOptions): BlockResult {
  checkOptions('residual/channel-attention', options, [...contextKeys, 'channels', 'squeeze']);
  const { channels, squeeze } = options;
  const net = layers(options, x);
  const means = globalAveragePool2d(relu(net.batchNorm('0', x)));
  const squeezed = relu(net.conv('3', means, { channels: squeeze, bias: true }));
  return net.result(sigmoid(net.conv('5', squeezed, { channels, bias: true })));
}
