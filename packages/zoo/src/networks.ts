import { ShoalError } from '@shoal/core';
import type { Network } from '@shoal/residual';
import { fishnet150, fishnet201, fishnet99, fishnetMini } from './fishnet.ts';
import type { NetworkOptions } from './options.ts';
import { resnet101, resnet152, resnet18, resnet34, resnet50, resnetMini, type ResNetOptions } from './resnet.ts';
import * as cifar from './springenberg.ts';
import { squeezenet1_0, squeezenet1_1 } from './squeezenet.ts';

type Make = (options?: NetworkOptions) => Network;

const variant =
  (make: (options?: ResNetOptions) => Network, letter: 'c' | 'd'): Make =>
  (options) =>
    make({ ...options, variant: letter });

/** Every network by the name that it has on the command line. Whoever needs one only imports its function. */
export const networks = {
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  resnet18c: variant(resnet18, 'c'),
  resnet34c: variant(resnet34, 'c'),
  resnet50c: variant(resnet50, 'c'),
  resnet101c: variant(resnet101, 'c'),
  resnet152c: variant(resnet152, 'c'),
  resnet18d: variant(resnet18, 'd'),
  resnet34d: variant(resnet34, 'd'),
  resnet50d: variant(resnet50, 'd'),
  resnet101d: variant(resnet101, 'd'),
  resnet152d: variant(resnet152, 'd'),
  'resnet-mini': resnetMini,
  squeezenet1_0,
  squeezenet1_1,
  fishnet99,
  fishnet150,
  fishnet201,
  'fishnet-mini': fishnetMini,
  'model-a': cifar.modelA,
  'model-b': cifar.modelB,
  'model-c': cifar.modelC,
  'strided-cnn-a': cifar.stridedCnnA,
  'strided-cnn-b': cifar.stridedCnnB,
  'strided-cnn-c': cifar.stridedCnnC,
  'convpool-cnn-a': cifar.convPoolCnnA,
  'convpool-cnn-b': cifar.convPoolCnnB,
  'convpool-cnn-c': cifar.convPoolCnnC,
  'all-cnn-a': cifar.allCnnA,
  'all-cnn-b': cifar.allCnnB,
  'all-cnn-c': cifar.allCnnC,
} satisfies Readonly<Record<string, Make>>;

export type NetworkName = keyof typeof networks;

export const networkNames = Object.keys(networks) as readonly NetworkName[];

/** Narrows a text to the name of a network. @throws ShoalError `ATTRIBUTE` when there is none of that name, with those there are */
export function networkName(text: string): NetworkName {
  const known = networkNames.find((name) => name === text);
  if (known) return known;
  throw new ShoalError('ATTRIBUTE', { op: 'zoo', fact: `there is no network '${text}'`, next: `Networks: ${networkNames.join(', ')}` });
}
