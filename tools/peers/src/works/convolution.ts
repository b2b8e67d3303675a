import { conv2d, conv2dOp } from '@shoal/conv';
import { costOf, input, sizeOf, topological, variable, type Value } from '@shoal/core';
import { numbers } from './numbers.ts';
import type { Amount, Subject, Work } from './work.ts';

export interface Layer {
  readonly name: string;
  /** Default 1. */
  readonly batch?: number;
  readonly size: number;
  readonly channels: number;
  readonly out: number;
  readonly window: number;
  readonly stride?: number;
  readonly groups?: number;
  /** Default: half the window, as `same` has it at stride 1. */
  readonly padding?: number;
}

/** The convolutions of ResNet-50, FishNet-99, SqueezeNet 1.1 and All-CNN-C, each shape once; a depthwise and a grouped one beside them. */
const layers: readonly Layer[] = [
  { name: 'RN50 stem', size: 224, channels: 3, out: 64, window: 7, stride: 2 },
  { name: 'RN50 c2 1x1a', size: 56, channels: 64, out: 64, window: 1 },
  { name: 'RN50 c2 3x3', size: 56, channels: 64, out: 64, window: 3 },
  { name: 'RN50 c2 1x1b', size: 56, channels: 64, out: 256, window: 1 },
  { name: 'RN50 c2 1x1c', size: 56, channels: 256, out: 64, window: 1 },
  { name: 'RN50 c3 3x3s2', size: 56, channels: 128, out: 128, window: 3, stride: 2 },
  { name: 'RN50 c3 short s2', size: 56, channels: 256, out: 512, window: 1, stride: 2 },
  { name: 'RN50 c3 3x3', size: 28, channels: 128, out: 128, window: 3 },
  { name: 'RN50 c3 1x1', size: 28, channels: 512, out: 128, window: 1 },
  { name: 'RN50 c4 3x3', size: 14, channels: 256, out: 256, window: 3 },
  { name: 'RN50 c4 1x1a', size: 14, channels: 1024, out: 256, window: 1 },
  { name: 'RN50 c4 1x1b', size: 14, channels: 256, out: 1024, window: 1 },
  { name: 'RN50 c5 3x3', size: 7, channels: 512, out: 512, window: 3 },
  { name: 'RN50 c5 1x1a', size: 7, channels: 2048, out: 512, window: 1 },
  { name: 'RN50 c5 1x1b', size: 7, channels: 512, out: 2048, window: 1 },
  { name: 'Fish stem1', size: 224, channels: 3, out: 32, window: 3, stride: 2 },
  { name: 'Fish stem2', size: 112, channels: 32, out: 32, window: 3 },
  { name: 'Fish stem3', size: 112, channels: 32, out: 64, window: 3 },
  { name: 'Fish bottleneck', size: 56, channels: 32, out: 32, window: 3 },
  { name: 'Fish 1x1 wide', size: 56, channels: 320, out: 64, window: 1 },
  { name: 'Fish 1x1 832@28', size: 28, channels: 832, out: 256, window: 1 },
  { name: 'Fish 1x1 1600@14', size: 14, channels: 1600, out: 512, window: 1 },
  { name: 'Fish head 1056@7', size: 7, channels: 1056, out: 264, window: 1 },
  { name: 'Sq1.1 conv1', size: 224, channels: 3, out: 64, window: 3, stride: 2, padding: 0 },
  { name: 'Sq fire2 sq', size: 55, channels: 64, out: 16, window: 1 },
  { name: 'Sq fire2 e1', size: 55, channels: 16, out: 64, window: 1 },
  { name: 'Sq fire2 e3', size: 55, channels: 16, out: 64, window: 3 },
  { name: 'Sq fire4 e3', size: 27, channels: 32, out: 128, window: 3 },
  { name: 'Sq fire8 e3', size: 13, channels: 64, out: 256, window: 3 },
  { name: 'Sq conv10', size: 13, channels: 512, out: 1000, window: 1 },
  { name: 'AllCNN 1', size: 32, channels: 3, out: 96, window: 3 },
  { name: 'AllCNN 2', size: 32, channels: 96, out: 96, window: 3 },
  { name: 'AllCNN 3 s2', size: 32, channels: 96, out: 96, window: 3, stride: 2 },
  { name: 'AllCNN 4', size: 16, channels: 96, out: 192, window: 3 },
  { name: 'AllCNN 5', size: 16, channels: 192, out: 192, window: 3 },
  { name: 'AllCNN 6 s2', size: 16, channels: 192, out: 192, window: 3, stride: 2 },
  { name: 'AllCNN 7', size: 8, channels: 192, out: 192, window: 3, padding: 0 },
  { name: 'AllCNN 8', size: 6, channels: 192, out: 192, window: 1 },
  { name: 'AllCNN 9', size: 6, channels: 192, out: 10, window: 1 },
  { name: 'DW 3x3', size: 56, channels: 128, out: 128, window: 3, groups: 128 },
  { name: 'Grouped 32', size: 56, channels: 128, out: 128, window: 3, groups: 32 },
];

const shapes = ({ batch = 1, size, channels, out, window, groups = 1 }: Layer) => ({
  x: [batch, size, size, channels],
  weight: [window, window, channels / groups, out],
});

const apply = (layer: Layer, x: Value, weight: Value): Value =>
  conv2d(x, weight, { stride: layer.stride, padding: layer.padding ?? (layer.window - 1) / 2, groups: layer.groups });

/** A symbolic convolution, for its shape and cost. */
const symbolic = (layer: Layer): Value => apply(layer, input('x', shapes(layer).x), input('weight', shapes(layer).weight));

function amountOf(layer: Layer): Amount {
  const y = symbolic(layer);
  const node = topological([y]).find(({ op }) => op.name === conv2dOp.name)!;
  const { multiplyAccumulates, bytes } = costOf(node);
  return { flop: 2 * multiplyAccumulates, bytes };
}

function forward(layer: Layer): Subject {
  const { x: shape, weight } = shapes(layer);
  const x = input('x', shape);
  const y = apply(layer, x, variable('weight', weight, numbers(sizeOf(weight), 2)));
  return { phase: 'fwd', y, feeds: { x: numbers(sizeOf(shape), 1) } };
}

function backward(layer: Layer, to: 'x' | 'weight'): Subject {
  const { x: shape, weight: weightShape } = shapes(layer);
  const [x, weight] = [input('x', shape), input('weight', weightShape)];
  const y = apply(layer, x, weight);
  return {
    phase: 'bwd',
    y,
    wrt: [to === 'x' ? x : weight],
    feeds: { x: numbers(sizeOf(shape), 1), weight: numbers(sizeOf(weightShape), 2) },
    dy: numbers(sizeOf(y.shape), 3),
  };
}

/** float32 sums of up to 12,544 products differ by some 1e-5 of the results' size, in whatever order; a wrong tap by some 1e-1. */
const tolerance = { largest: 2e-4 };

/** tfjs-cpu computes some 2 GFLOP/s, and gradients to weights a hundred times slower: its place is beside small layers. */
const withoutFor = ({ flop }: Amount, most: number): NonNullable<Work['without']> =>
  flop > most ? { 'tfjs-cpu': 'plain JavaScript: one run takes too long to sample' } : {};

/** Forward, and the gradients to the input and to the weights. */
export function convolutionWorksOf(layer: Layer): readonly Work[] {
  const amount = amountOf(layer);
  const common = { group: 'layer', amount, tolerance, without: withoutFor(amount, 60e6) } as const;
  return [
    { ...common, id: `${layer.name} fwd`, phase: 'fwd', build: () => forward(layer) },
    { ...common, id: `${layer.name} bwd-data`, phase: 'bwd', build: () => backward(layer, 'x') },
    { ...common, id: `${layer.name} bwd-weights`, phase: 'bwd', without: withoutFor(amount, 6e6), build: () => backward(layer, 'weight') },
  ];
}

export const convolutionWorks: readonly Work[] = layers.flatMap(convolutionWorksOf);
