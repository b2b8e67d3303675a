import { addCosts, costOf, sizeOf, type Window2d } from '@shoal/core';
import type { Layer } from './layers/index.ts';

/** How operations are counted. */
export type Convention = 'operations' | 'fishnet';

/**
 * Operations of each layer for one image, by the convention of FishNet's authors: that of the script in their code, from which the
 * published 4.31, 6.45 and 10.58 G come (github.com/kevin-ssy/FishNet, `utils/profile.py`). A multiply-add of a convolution or dense
 * layer is one, and its bias one per output; batch norm and ReLU are one per element; max pooling is one per cell of each window,
 * padding included. All else, additions and average poolings among it, is free.
 *
 * The script counts a pooling module once for each place where it is registered. FishNet's 2x2 max poolings are one module, registered
 * in six stages and once by itself, so the published figures hold each of them seven times: 16 M of 4.31 G. Here, equal
 * max poolings are taken for one module, which counts `places + 1` times where it has several places.
 */
export function fishnetOperations(layers: readonly Layer[]): ReadonlyMap<Layer, number> {
  const places = new Map<string, number>();
  for (const layer of layers) {
    if (layer.kind === 'max pooling') places.set(windowKey(layer), (places.get(windowKey(layer)) ?? 0) + 1);
  }
  return new Map(
    layers.map((layer) => {
      const shared = places.get(windowKey(layer)) ?? 1;
      const times = layer.kind === 'max pooling' && shared > 1 ? shared + 1 : 1;
      return [layer, (times * operationsOf(layer)) / (layer.output.shape[0] ?? 1)];
    }),
  );
}

const windowKey = ({ nodes }: Layer): string => {
  const { window, stride, padding, dilation } = nodes[0]!.attributes as Window2d;
  return JSON.stringify([window, stride, padding, dilation]);
};

function operationsOf({ kind, word, nodes, output }: Layer): number {
  const elements = sizeOf(output.shape);
  switch (kind) {
    case 'convolution':
    case 'depthwise convolution':
    case 'grouped convolution':
    case 'transposed convolution':
    case 'dense': {
      const { multiplyAccumulates, additions } = addCosts(...nodes.map(costOf));
      return multiplyAccumulates + additions;
    }
    case 'batch norm':
      return elements;
    case 'activation':
      return word === 'relu' ? elements : 0;
    case 'max pooling': {
      const { window } = nodes[0]!.attributes as Window2d;
      return elements * window.height * window.width;
    }
    default:
      return 0;
  }
}
