import { input, sizeOf, variable, type Shape, type Value } from '@shoal/core';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { batchNorm } from '@shoal/residual';
import { numbers } from './numbers.ts';
import type { Work } from './work.ts';

interface Layer {
  readonly name: string;
  /** Of x, and of whatever else it is given as inputs: per channel. */
  readonly build: (x: Value, gamma: Value, beta: Value) => Value;
  readonly parameters: boolean;
  /** Whether backward reads the forward input again, as batch norm does. */
  readonly readsInput: boolean;
}

const CHANNELS = 64;
const imageShape = (batch: number): Shape => [batch, 112, 112, CHANNELS];

const layers: readonly Layer[] = [
  { name: 'max-pool 3x3s2', build: (x) => maxPool2d(x, { window: 3, stride: 2, padding: 1 }), parameters: false, readsInput: false },
  { name: 'max-pool 2x2', build: (x) => maxPool2d(x, { window: 2 }), parameters: false, readsInput: false },
  { name: 'average-pool 2x2', build: (x) => averagePool2d(x, { window: 2 }), parameters: false, readsInput: false },
  { name: 'batch-norm', build: normalise, parameters: true, readsInput: true },
];

function normalise(x: Value, gamma: Value, beta: Value): Value {
  const running = { mean: variable('mean', [CHANNELS]), variance: variable('variance', [CHANNELS], 1) };
  return batchNorm(x, { gamma, beta, ...running }, { train: true }).output;
}

function worksOf({ name, build, parameters, readsInput }: Layer, batch: number): readonly Work[] {
  const x = input('x', imageShape(batch));
  const [gamma, beta] = [input('gamma', [CHANNELS]), input('beta', [CHANNELS])];
  const y = build(x, gamma, beta);
  const [inBytes, outBytes] = [4 * sizeOf(x.shape), 4 * sizeOf(y.shape)];
  const feeds = () => ({
    x: numbers(sizeOf(x.shape), 1),
    ...(parameters ? { gamma: numbers(CHANNELS, 4), beta: numbers(CHANNELS, 5) } : {}),
  });
  const without: Work['without'] = batch > 1 ? { 'tfjs-cpu': 'plain JavaScript: one run takes too long to sample' } : {};
  const common = { group: 'layer', tolerance: { largest: 2e-4 }, movesData: true, without } as const;
  return [
    {
      ...common,
      id: `${name} 64@112 batch ${batch} fwd`,
      phase: 'fwd',
      amount: { flop: 0, bytes: inBytes + outBytes },
      build: () => ({ phase: 'fwd', y, feeds: feeds() }),
    },
    {
      ...common,
      id: `${name} 64@112 batch ${batch} bwd`,
      phase: 'bwd',
      amount: { flop: 0, bytes: inBytes + outBytes + (readsInput ? inBytes : 0) },
      build: () => ({ phase: 'bwd', y, wrt: parameters ? [x, gamma, beta] : [x], feeds: feeds(), dy: numbers(sizeOf(y.shape), 3) }),
    },
  ];
}

/** Layers that do next to no arithmetic: what they are measured against is copying as many bytes. */
export const memoryBoundWorks: readonly Work[] = layers.flatMap((layer) => [1, 16].flatMap((batch) => worksOf(layer, batch)));
