import { checkOptions, nhwc, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { contextKeys, layers, type BlockContext, type BlockResult } from './layers.ts';
import { shortcutInput, type ShortcutKind } from './shortcut.ts';

export interface ResidualBlockOptions extends BlockContext {
  /** Output channels. */
  readonly channels: number;
  /** Default 1. */
  readonly stride?: number;
  /** Where shape or stride change; default `strided`. */
  readonly shortcut?: ShortcutKind;
}

/**
 * The basic block of ResNet-18 and 34 (He et al., "Deep residual learning", 2015): two 3x3 convolutions, the first with the stride,
 * each with batch norm; ReLU between them and after the sum with the shortcut.
 *
 * @param x [n,h,w,c]
 * @returns [n, ceil(h / stride), ceil(w / stride), channels]; variables conv1, bn1, conv2, bn2 and, see {@link projection}, downsample
 */
export function basicBlock(x: Value, options: ResidualBlockOptions): BlockResult {
  checkOptions('residual/basic-block', options, [...contextKeys, 'channels', 'stride', 'shortcut']);
  const { channels, stride = 1 } = options;
  const net = layers(options, x);
  const first = relu(net.batchNorm('bn1', net.conv('conv1', x, { channels, window: 3, stride, padding: 1 })));
  const second = net.batchNorm('bn2', net.conv('conv2', first, { channels, window: 3, padding: 1 }));
  const shortcut = net.use(projection(x, { ...options, ...net.at('downsample') }));
  return net.result(relu(add(second, shortcut)));
}

/**
 * The shortcut of a post-activation block: `x` itself where the shape stays, else a 1x1 convolution and batch norm, named `0` and
 * `1`, or, where an average pool stands before them, `1` and `2`.
 */
export function projection(x: Value, options: ResidualBlockOptions): BlockResult {
  const { channels, stride = 1, shortcut = 'strided' } = options;
  const net = layers(options, x);
  const reduced = shortcutInput('residual/shortcut', x, stride, shortcut);
  if (stride === 1 && nhwc('residual/shortcut', x.shape)[3] === channels) return net.result(x);
  const [conv, norm] = shortcut === 'pooled' ? ['1', '2'] : ['0', '1'];
  return net.result(net.batchNorm(norm, net.conv(conv, reduced.input, { channels, stride: reduced.stride })));
}
