import { checkOptions, reshape, type Value } from '@shoal/core';
import { relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { basicBlock, bottleneckBlock, network, type Layers, type Network, type ShortcutKind } from '@shoal/residual';
import type { NetworkOptions } from './options.ts';

export interface ResNetOptions extends NetworkOptions {
  /**
   * `b` (default) has a 7x7 stem and the stride of a bottleneck on its 3x3 convolution. `c` replaces the stem by three 3x3
   * convolutions; `d` also averages before the 1x1 convolution of a shortcut that shrinks, so that it reads every cell (He et al.,
   * "Bag of tricks", 2019).
   */
  readonly variant?: 'b' | 'c' | 'd' | undefined;
}

export interface ResNetShape {
  readonly block: 'basic' | 'bottleneck';
  /** Blocks of layer1 to layer4. */
  readonly blocks: readonly [number, number, number, number];
  /** Inner channels of a bottleneck of layer1; default 64. */
  readonly width?: number;
  /** Height and width of the images it is made for; default 224. */
  readonly size?: number;
}

/**
 * A residual network (He et al., "Deep residual learning for image recognition", 2015), its variables named as in torchvision:
 * conv1, bn1, layer1.0 ... layer4.N, fc. Image [n,h,w,3] -> logits [n,classes]; any size from 1x1 on.
 */
export function resNet(name: string, { block, blocks, width = 64, size = 224 }: ResNetShape, options: ResNetOptions = {}): Network {
  checkOptions(name, options, ['classes', 'seed', 'variant']);
  const { classes = 1000, seed, variant = 'b' } = options;
  const shortcut: ShortcutKind = variant === 'd' ? 'pooled' : 'strided';
  const stage = (net: Layers, x: Value, index: number, count: number): Value => {
    const planes = 64 * 2 ** index;
    let y = x;
    for (let i = 0; i < count; i++) {
      const shared = { ...net.at(`layer${index + 1}.${i}`), stride: i === 0 && index > 0 ? 2 : 1, shortcut };
      y = net.use(
        block === 'basic'
          ? basicBlock(y, { ...shared, channels: planes })
          : bottleneckBlock(y, { ...shared, channels: 4 * planes, width: Math.floor((planes * width) / 64) }),
      );
    }
    return net.tap(`layer${index + 1}`, y);
  };
  return network({
    name,
    input: [size, size, 3],
    seed,
    stages: ['maxpool', ...blocks.map((_, index) => `layer${index + 1}`)],
    body(net, image) {
      const stem = variant === 'b' ? net.conv('conv1', image, { channels: 64, window: 7, stride: 2, padding: 3 }) : deepStem(net, image);
      const first = net.tap('maxpool', maxPool2d(relu(net.batchNorm('bn1', stem)), { window: 3, stride: 2, padding: 1 }));
      const features = blocks.reduce((x, count, index) => stage(net, x, index, count), first);
      const pooled = net.tap('avgpool', globalAveragePool2d(features));
      return net.dense('fc', reshape(pooled, [image.shape[0]!, -1]), { units: classes });
    },
  });
}

/** Three 3x3 convolutions in place of the 7x7 one: `conv1.0`, `conv1.3` and `conv1.6`, with batch norm and ReLU between them. */
function deepStem(net: Layers, image: Value): Value {
  const first = relu(net.batchNorm('conv1.1', net.conv('conv1.0', image, { channels: 32, window: 3, stride: 2, padding: 1 })));
  const second = relu(net.batchNorm('conv1.4', net.conv('conv1.3', first, { channels: 32, window: 3, padding: 1 })));
  return net.conv('conv1.6', second, { channels: 64, window: 3, padding: 1 });
}

const named =
  (name: string, shape: ResNetShape) =>
  (options: ResNetOptions = {}): Network => {
    const { variant = 'b' } = options;
    return resNet(variant === 'b' ? name : `${name}${variant}`, shape, options);
  };

/** 11.7 million parameters. See {@link resNet}. */
export const resnet18 = named('resnet18', { block: 'basic', blocks: [2, 2, 2, 2] });
/** 21.8 million parameters. See {@link resNet}. */
export const resnet34 = named('resnet34', { block: 'basic', blocks: [3, 4, 6, 3] });
/** 25.6 million parameters. See {@link resNet}. */
export const resnet50 = named('resnet50', { block: 'bottleneck', blocks: [3, 4, 6, 3] });
/** 44.5 million parameters. See {@link resNet}. */
export const resnet101 = named('resnet101', { block: 'bottleneck', blocks: [3, 4, 23, 3] });
/** 60.2 million parameters. See {@link resNet}. */
export const resnet152 = named('resnet152', { block: 'bottleneck', blocks: [3, 8, 36, 3] });

/** For tests: bottlenecks of a quarter of the width, one or two a stage, 10 classes; 3,575,434 parameters. */
export function resnetMini(options: ResNetOptions = {}): Network {
  return resNet('resnet-mini', { block: 'bottleneck', blocks: [1, 2, 1, 1], width: 16, size: 64 }, { classes: 10, ...options });
}
