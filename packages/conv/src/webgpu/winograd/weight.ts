import { elements, wgslKernel } from '@shoal/backend-webgpu';
import type { Op } from '@shoal/core';
import { points, windowSide } from '../../winograd/tiles.ts';
import { transformFilter } from '../../winograd/transforms.ts';
import { printed } from './arithmetic.ts';

export interface WinogradWeightAttributes {
  /** The window is turned around, for a convolution that runs backwards. */
  readonly turned: boolean;
}

/** Weights for Winograd's convolution. Input: the weight [3, 3, inner, outer]; output: f32 [36, inner, outer]. */
export const winogradWeight: Op<WinogradWeightAttributes> = {
  name: 'conv/webgpu-winograd-weight',
  infer: ([weight]) => [{ shape: [points, ...weight!.shape.slice(2)], dtype: 'f32' }],
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: () => ({}),
};

/** A thread transforms the nine taps between two channels. */
export const winogradWeightWebgpu = wgslKernel(winogradWeight, {
  emit({ inputs: [weight], outputs: [y], attributes: { turned } }) {
    const taps = windowSide ** 2;
    const pairs = weight!.size / taps;
    const print = printed();
    const read = print.once((row, column) => {
      const at = row * windowSide + column;
      return weight!.read(`${(turned ? taps - 1 - at : at) * pairs} + i`);
    });
    transformFilter(print.arithmetic, read, (point, value) => print.add(y!.write(`${point * pairs} + i`, value)));
    return [elements(pairs, print.text())];
  },
});
