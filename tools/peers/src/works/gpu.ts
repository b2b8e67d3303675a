import { networkWorks } from './networks.ts';
import { convolutionWorksOf } from './convolution.ts';
import { trainingWorkOf } from './training.ts';
import type { Work } from './work.ts';

const BATCH = 64;

/** Layers of ResNet-50, as `check:cuda --only speed` has them. */
const layers = [
  { name: 'RN50 stem', size: 224, channels: 3, out: 64, window: 7, stride: 2 },
  { name: 'RN50 c2 3x3', size: 56, channels: 64, out: 64, window: 3 },
  { name: 'RN50 c2 1x1b', size: 56, channels: 64, out: 256, window: 1 },
  { name: 'RN50 c3 3x3s2', size: 56, channels: 128, out: 128, window: 3, stride: 2 },
  { name: 'RN50 c3 3x3', size: 28, channels: 128, out: 128, window: 3 },
  { name: 'RN50 c4 3x3', size: 14, channels: 256, out: 256, window: 3 },
  { name: 'RN50 c4 1x1a', size: 14, channels: 1024, out: 256, window: 1 },
  { name: 'RN50 c5 3x3', size: 7, channels: 512, out: 512, window: 3 },
] as const;

/**
 * What says how fast a GPU is: layers, inference and a training step of ResNet-50. The step needs more memory than the CPU backend has, so
 * engines are compared with the first of them; `check:cuda --only training,golden` holds that one against others.
 */
export const gpuWorks: readonly Work[] = [
  ...layers.flatMap((layer) => convolutionWorksOf({ ...layer, name: `${layer.name} batch ${BATCH}`, batch: BATCH })),
  networkWorks.find(({ id }) => id === 'resnet50 fwd')!,
  { ...trainingWorkOf('resnet50', BATCH), comparedWithFirst: true },
];
