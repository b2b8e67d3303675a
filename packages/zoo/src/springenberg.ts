import { checkOptions, reshape, ShoalError, type Value } from '@shoal/core';
import { kaimingNormal, relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { network, type Layers, type Network } from '@shoal/residual';
import type { NetworkOptions } from './options.ts';

export interface SpringenbergOptions extends NetworkOptions {
  /**
   * How the 3x3 pooling with stride 2 is aligned: `centred` (default) pads by 1, so that windows are centred where the stride-2
   * convolutions are; `ceil` starts at the corner and lets the last window overhang (Caffe's way). The paper does not say which.
   */
  readonly pooling?: 'centred' | 'ceil' | undefined;
  /** ReLU after the last convolution, before the mean: default true, as in the paper's table. */
  readonly finalRelu?: boolean | undefined;
}

interface Convolution {
  readonly window: number;
  readonly channels: number;
}

type Base = 'a' | 'b' | 'c';
type Variant = 'model' | 'strided-cnn' | 'convpool-cnn' | 'all-cnn';

/** What stands before each of the two poolings (Table 1 of the paper). */
const bases: Readonly<Record<Base, (channels: number) => readonly Convolution[]>> = {
  a: (channels) => [{ window: 5, channels }],
  b: (channels) => [
    { window: 5, channels },
    { window: 1, channels },
  ],
  c: (channels) => [
    { window: 3, channels },
    { window: 3, channels },
  ],
};

/**
 * The networks of "Striving for simplicity: the all convolutional net" (Springenberg et al., 2015), which ask this project's question:
 * a base with 3x3 max pooling, the same with the pooling left out and the stride put on the convolution before it (Strided-CNN),
 * with a convolution more before the pooling (ConvPool-CNN), and with that convolution in place of the pooling (All-CNN).
 * ReLU after every convolution; dropout of 20 % on the image and 50 % after each reduction. Variables conv1, conv2 ... in order.
 * Image [n,h,w,3] -> logits [n,classes].
 */
function springenberg(base: Base, variant: Variant, options: SpringenbergOptions): Network {
  const name = `${variant}-${base}`;
  checkOptions(name, options, ['classes', 'seed', 'pooling', 'finalRelu']);
  const { classes = 10, seed = 0, pooling = 'centred', finalRelu = true } = options;
  if (pooling !== 'centred' && pooling !== 'ceil')
    throw new ShoalError('ATTRIBUTE', { op: name, fact: `unknown pooling '${String(pooling)}'`, next: 'Use centred or ceil' });

  const build = (net: Layers, image: Value): Value => {
    let convolutions = 0;
    let pools = 0;
    const convolve = (x: Value, { window, channels }: Convolution, stride = 1, padding = (window - 1) / 2): Value =>
      net.conv(`conv${++convolutions}`, x, { channels, window, stride, padding, bias: true, initialiser: kaimingNormal({ seed }) });
    const pool = (x: Value): Value =>
      net.tap(`pool${++pools}`, maxPool2d(x, { window: 3, stride: 2, ...(pooling === 'ceil' ? { ceilMode: true } : { padding: 1 }) }));

    /** A reduction: the base's convolutions, and what the variant has for the pooling. */
    const reduce = (x: Value, channels: number): Value => {
      const before = bases[base](channels);
      const strideLast = variant === 'strided-cnn';
      const y = before.reduce((z, each, i) => relu(convolve(z, each, strideLast && i === before.length - 1 ? 2 : 1)), x);
      const more = { window: 3, channels };
      if (variant === 'model') return pool(y);
      if (variant === 'convpool-cnn') return pool(relu(convolve(y, more)));
      return variant === 'all-cnn' ? relu(convolve(y, more, 2)) : y;
    };

    const first = net.dropout('dropout1', reduce(net.dropout('dropout0', image, { rate: 0.2 }), 96), { rate: 0.5 });
    const second = net.dropout('dropout2', reduce(first, 192), { rate: 0.5 });
    // Unpadded, which makes the 6x6 maps that the paper averages.
    const features = relu(convolve(second, { window: 3, channels: 192 }, 1, 0));
    const scores = convolve(relu(convolve(features, { window: 1, channels: 192 })), { window: 1, channels: classes });
    return reshape(globalAveragePool2d(finalRelu ? relu(scores) : scores), [image.shape[0]!, classes]);
  };
  return network({ name, input: [32, 32, 3], seed, body: build });
}

const named =
  (base: Base, variant: Variant) =>
  (options: SpringenbergOptions = {}): Network =>
    springenberg(base, variant, options);

/** Model A: one 5x5 convolution before each pooling. See {@link springenberg}. */
export const modelA = named('a', 'model');
/** Model B: a 5x5 and a 1x1 convolution before each pooling. */
export const modelB = named('b', 'model');
/** Model C: two 3x3 convolutions before each pooling. */
export const modelC = named('c', 'model');
/** Model A without pooling, its last convolutions with stride 2. */
export const stridedCnnA = named('a', 'strided-cnn');
/** Model B without pooling, its last convolutions with stride 2. */
export const stridedCnnB = named('b', 'strided-cnn');
/** Model C without pooling, its last convolutions with stride 2. */
export const stridedCnnC = named('c', 'strided-cnn');
/** Model A with one more convolution before each pooling: All-CNN-A's control. */
export const convPoolCnnA = named('a', 'convpool-cnn');
/** Model B with one more convolution before each pooling: All-CNN-B's control. */
export const convPoolCnnB = named('b', 'convpool-cnn');
/** Model C with one more convolution before each pooling: All-CNN-C's control. */
export const convPoolCnnC = named('c', 'convpool-cnn');
/** Model A with 3x3 convolutions of stride 2 in place of its poolings. */
export const allCnnA = named('a', 'all-cnn');
/** Model B with 3x3 convolutions of stride 2 in place of its poolings. */
export const allCnnB = named('b', 'all-cnn');
/** Model C with 3x3 convolutions of stride 2 in place of its poolings: the paper's best. */
export const allCnnC = named('c', 'all-cnn');
