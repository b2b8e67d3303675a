import { checkOptions, formatShape, nhwc, reshape, ShapeError, type Value } from '@shoal/core';
import { add, multiply, relu } from '@shoal/math';
import { globalAveragePool2d, maxPool2d } from '@shoal/pool';
import { channelAttention, downRefineBlock, fishGroup, layers, network, upRefineBlock } from '@shoal/residual';
import type { BlockContext, BlockResult, Layers, Network } from '@shoal/residual';
import type { NetworkOptions } from './options.ts';

export interface FishNetShape {
  /** Residual blocks of the ten stages: tail (0 to 2), the turn (3), body (4 to 6), head (7 to 9). */
  readonly blocks: readonly number[];
  /** Residual blocks on the branches of stages 4 to 9. */
  readonly transferBlocks: readonly number[];
  /** Channels after the stem, of which all others are multiples; default 64. */
  readonly width?: number;
  /** Height and width of the images it is made for; default 224. */
  readonly size?: number;
}

/** Where the branch of a stage comes from: the feature that entered an earlier stage at the size this one returns to. */
const body = [
  { stage: 4, source: 2, widths: 8, dilation: 1 },
  { stage: 5, source: 1, widths: 6, dilation: 2 },
  { stage: 6, source: 0, widths: 4, dilation: 4 },
];
const head = [
  { stage: 7, source: 6 },
  { stage: 8, source: 5 },
  { stage: 9, source: 4 },
];

/**
 * FishNet (Sun et al., NeurIPS 2018): a tail that shrinks the map as any network does, a body that enlarges it again, and a head that
 * shrinks it a second time; each stage of body and head also gets an older feature of its size, through identities, channel sums,
 * poolings and repetitions only. Variables are named as in the authors' code: conv1.0, fish.fish.0.0.0 ... fish.fish.9.4.1.
 * Image [n,h,w,3], h and w multiples of 32 -> logits [n,classes].
 */
export function fishNet(
  name: string,
  { blocks, transferBlocks, width = 64, size = 224 }: FishNetShape,
  options: NetworkOptions = {},
): Network {
  checkOptions(name, options, ['classes', 'seed']);
  const { classes = 1000, seed } = options;
  const build = (net: Layers, image: Value): Value => {
    checkSize(name, image);
    const features: Value[] = [];
    /** Takes note of the feature that enters the next stage. */
    const enter = (feature: Value): Value => net.tap(`all_feat[${features.push(feature) - 1}]`, feature);
    const at = (stage: number): BlockContext => net.at(`fish.fish.${stage}`);
    const counts = (stage: number) => ({ blocks: blocks[stage]!, transferBlocks: transferBlocks[stage - 4]! });

    let x = enter(stem(net, image, width));
    for (const stage of [0, 1, 2]) {
      const context = net.at(`fish.fish.${stage}.0`);
      const group = net.use(fishGroup(x, { ...context, channels: (2 * width) << stage, blocks: blocks[stage]! }));
      x = enter(net.tap(`fish.down_sample#${stage}`, maxPool2d(group, { window: 2 })));
    }
    x = enter(net.use(turn(x, { ...at(3), blocks: blocks[3]! })));
    for (const { stage, source, widths, dilation } of body) {
      const refined = upRefineBlock(x, features[source]!, { ...at(stage), ...counts(stage), channels: widths * width, dilation });
      net.use(refined);
      net.tap(`fish.upsample#${stage - 4}`, resizedBy(refined));
      x = enter(refined.output);
    }
    for (const { stage, source } of head) {
      const refined = downRefineBlock(x, features[source]!, { ...at(stage), ...counts(stage) });
      net.use(refined);
      net.tap(`fish.down_sample#${stage - 4}`, resizedBy(refined));
      x = enter(refined.output);
    }
    return reshape(classify(net, x, classes), [image.shape[0]!, classes]);
  };
  const stages = Array.from({ length: blocks.length + 1 }, (_, i) => `all_feat[${i}]`);
  return network({ name, input: [size, size, 3], seed, stages, body: build });
}

/** Five halvings, and three doublings back: sizes in between would not meet their branches. */
function checkSize(name: string, image: Value): void {
  const [, h, w] = nhwc(name, image.shape);
  if (h > 0 && w > 0 && h % 32 === 0 && w % 32 === 0) return;
  throw new ShapeError({
    op: name,
    fact: `image ${formatShape(image.shape)} is ${h}x${w}, not multiples of 32`,
    next: `Crop or pad it to ${Math.max(32, 32 * Math.round(h / 32))}x${Math.max(32, 32 * Math.round(w / 32))}`,
  });
}

/** Three 3x3 convolutions with batch norm and ReLU, the first with stride 2, and a 3x3 max pool with stride 2. */
function stem(net: Layers, image: Value, width: number): Value {
  const layer = (name: string, x: Value, channels: number, stride = 1): Value =>
    net.tap(name, relu(net.batchNorm(`${name}.1`, net.conv(`${name}.0`, x, { channels, window: 3, stride, padding: 1 }))));
  const third = layer('conv3', layer('conv2', layer('conv1', image, width / 2, 2), width / 2), width);
  return net.tap('pool1', maxPool2d(third, { window: 3, stride: 2, padding: 1 }));
}

/**
 * Stage 3, between tail and body: a score (1x1 convolutions to half and to twice the channels) that all later features pass, residual
 * blocks back to the channels, and an attention `a` over them: r * a + a.
 */
function turn(x: Value, options: BlockContext & { readonly blocks: number }): BlockResult {
  const net = layers(options, x);
  const channels = nhwc('zoo/fishnet', x.shape)[3];
  const narrow = net.conv('0.2', relu(net.batchNorm('0.0', x)), { channels: channels / 2 });
  const scored = net.conv('1', net.tap('0', relu(net.batchNorm('0.3', narrow))), { channels: 2 * channels, bias: true });
  const refined = net.use(fishGroup(scored, { ...net.at('2'), channels, blocks: options.blocks }));
  const attention = net.tap('3', net.use(channelAttention(scored, { ...net.at('3.0'), channels, squeeze: channels / 16 })));
  return net.result(add(multiply(refined, attention), attention));
}

/** A 1x1 convolution to half the channels, the mean of the map, and a 1x1 convolution to the logits: [n,1,1,classes]. */
function classify(net: Layers, x: Value, classes: number): Value {
  const channels = nhwc('zoo/fishnet', x.shape)[3] / 2;
  const narrow = net.conv('fish.fish.9.3.2', relu(net.batchNorm('fish.fish.9.3.0', x)), { channels });
  const normalised = net.tap('fish.fish.9.3', relu(net.batchNorm('fish.fish.9.3.3', narrow)));
  return net.tap('fish.fish.9.4', net.conv('fish.fish.9.4.1', globalAveragePool2d(normalised), { channels: classes, bias: true }));
}

/** What came of the trunk of a refining block before the branch was put behind it. */
function resizedBy({ taps }: BlockResult): Value {
  return taps.findLast(({ name }) => name.endsWith('.resized'))!.value;
}

/** 16.6 million parameters. See {@link fishNet}. */
export function fishnet99(options: NetworkOptions = {}): Network {
  return fishNet('fishnet99', { blocks: [2, 2, 6, 2, 1, 1, 1, 1, 2, 2], transferBlocks: [1, 1, 1, 1, 1, 4] }, options);
}

/** 25.0 million parameters. See {@link fishNet}. */
export function fishnet150(options: NetworkOptions = {}): Network {
  return fishNet('fishnet150', { blocks: [2, 4, 8, 4, 2, 2, 2, 2, 2, 4], transferBlocks: [2, 2, 2, 2, 2, 4] }, options);
}

/** 44.6 million parameters. See {@link fishNet}. */
export function fishnet201(options: NetworkOptions = {}): Network {
  return fishNet('fishnet201', { blocks: [3, 4, 12, 4, 2, 2, 2, 2, 3, 10], transferBlocks: [2, 2, 2, 2, 2, 9] }, options);
}

/** For tests: a quarter of the width, one or two blocks a stage, 10 classes; 825,258 parameters. */
export function fishnetMini(options: NetworkOptions = {}): Network {
  const shape = { blocks: [1, 1, 2, 1, 1, 2, 2, 1, 1, 2], transferBlocks: [1, 1, 1, 1, 1, 2], width: 16, size: 64 };
  return fishNet('fishnet-mini', shape, { classes: 10, ...options });
}
