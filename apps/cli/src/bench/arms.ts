import { conv2d, depthwiseConv2d } from '@shoal/conv';
import { input, sizeOf, type Value } from '@shoal/core';
import { kaimingNormal, parameter, relu } from '@shoal/math';
import { averagePool2d, maxPool2d, spaceToDepth } from '@shoal/pool';
import type { Photograph } from '../image.ts';
import type { Arm } from './arm.ts';

/** A feature map of a real network: [1, size, size, channels]. */
export interface Geometry {
  readonly channels: number;
  readonly size: number;
}

/** ResNet's stem output, and the entry of its third stage. */
export const geometries: readonly Geometry[] = [
  { channels: 64, size: 112 },
  { channels: 256, size: 28 },
];

interface Way {
  readonly name: string;
  readonly build: (x: Value, channels: number) => Value;
}

const weight = (name: string, shape: readonly [number, number, number, number]): Value =>
  parameter(name, shape, kaimingNormal({ seed: 1 }));

/** Each way to halve a feature map without changing its width. */
const ways: readonly Way[] = [
  { name: 'max 2x2', build: (x) => maxPool2d(x, { window: 2 }) },
  { name: 'average 2x2', build: (x) => averagePool2d(x, { window: 2 }) },
  { name: 'max 3x3/2', build: (x) => maxPool2d(x, { window: 3, stride: 2, padding: 1 }) },
  { name: 'conv 2x2/2', build: (x, c) => conv2d(x, weight('conv', [2, 2, c, c]), { stride: 2 }) },
  { name: 'conv 3x3/2', build: (x, c) => conv2d(x, weight('conv', [3, 3, c, c]), { stride: 2, padding: 1 }) },
  { name: 'conv 1x1/2', build: (x, c) => conv2d(x, weight('conv', [1, 1, c, c]), { stride: 2 }) },
  {
    name: 'depthwise 3x3/2',
    build: (x, c) => depthwiseConv2d(x, weight('depthwise', [3, 3, c, 1]), { stride: 2, padding: 1 }),
  },
  {
    name: 'space-to-depth + 1x1',
    build: (x, c) => conv2d(spaceToDepth(x, { block: 2 }), weight('conv', [1, 1, 4 * c, c])),
  },
];

/** Fixed values without structure: a ramp, shuffled. Times of dense kernels do not depend on them. */
function feature(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 2017) / 1009 - 1);
}

export function layerArms({ channels, size }: Geometry): readonly Arm[] {
  return ways.map(({ name, build }) => {
    const x = input('x', [1, size, size, channels]);
    return {
      question: 'one layer' as const,
      group: `${channels} channels at ${size}x${size}`,
      name,
      x,
      y: build(x, channels),
      data: () => feature(sizeOf(x.shape)),
    };
  });
}

interface Stage {
  readonly kind: 'conv' | 'max';
  readonly window: number;
  readonly stride: number;
  readonly width?: number;
}

const conv = (window: number, stride: number, width: number): Stage => ({ kind: 'conv', window, stride, width });
const max = (window: number, stride: number): Stage => ({ kind: 'max', window, stride });

/** The stems of the discussion. All but the one without a reduction end at half the picture's size with 64 channels. */
export const stems: Readonly<Record<string, readonly Stage[]>> = {
  '7x7/2': [conv(7, 2, 64)],
  '7x7/1, max 2x2': [conv(7, 1, 64), max(2, 2)],
  'three 3x3/1': [conv(3, 1, 32), conv(3, 1, 32), conv(3, 1, 64)],
  'three 3x3/1, max 2x2': [conv(3, 1, 32), conv(3, 1, 32), conv(3, 1, 64), max(2, 2)],
  'three 3x3, first /2 (ResNet-D)': [conv(3, 2, 32), conv(3, 1, 32), conv(3, 1, 64)],
};

function applyStage(x: Value, { kind, window, stride, width }: Stage, index: number): Value {
  if (kind === 'max') return maxPool2d(x, { window, stride });
  const w = weight(`stem.${index}.weight`, [window, window, x.shape[3]!, width!]);
  return relu(conv2d(x, w, { stride, padding: (window - 1) / 2 }));
}

export function stemArms(photograph: Photograph): readonly Arm[] {
  return Object.entries(stems).map(([name, stages]) => {
    const x = input('x', [1, photograph.height, photograph.width, 3]);
    return {
      question: 'one network' as const,
      group: `${photograph.name} at ${photograph.height}x${photograph.width}`,
      name,
      x,
      y: stages.reduce(applyStage, x),
      data: () => photograph.data,
    };
  });
}
