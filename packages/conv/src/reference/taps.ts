import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';

/**
 * Visits every product of a convolution by the element numbers of its factors: `x` in [n, h, w, in], `w` in
 * [kh, kw, in / groups, out], `y` in [n, oh, ow, out]. Convolution and its two gradients go over the same triples, and each sums
 * the product of two of them into the third. Output channels of a group lie side by side, in the weights as in the output: `w` and `y`
 * are the first of `out / groups` each. Cells in the padding are not visited. The order is row-major in the output's rows and
 * columns, then in the window, then over channels.
 */
export function forEachTap(
  geometry: Conv2dGeometry,
  { window, stride, dilation, padding, groups }: Conv2dAttributes,
  visit: (x: number, w: number, y: number) => void,
): void {
  const { batch, input, channels, output, outputChannels, channelsPerGroup, outputChannelsPerGroup } = geometry;
  for (let n = 0; n < batch; n++) {
    for (let oh = 0; oh < output.height; oh++) {
      for (let ow = 0; ow < output.width; ow++) {
        for (let i = 0; i < window.height; i++) {
          for (let j = 0; j < window.width; j++) {
            const h = oh * stride.height - padding.top + i * dilation.height;
            const w = ow * stride.width - padding.left + j * dilation.width;
            if (h < 0 || h >= input.height || w < 0 || w >= input.width) continue;
            const from = ((n * input.height + h) * input.width + w) * channels;
            const to = ((n * output.height + oh) * output.width + ow) * outputChannels;
            const tap = (i * window.width + j) * channelsPerGroup;
            for (let group = 0; group < groups; group++) {
              for (let c = 0; c < channelsPerGroup; c++) {
                const o = group * outputChannelsPerGroup;
                visit(from + group * channelsPerGroup + c, (tap + c) * outputChannels + o, to + o);
              }
            }
          }
        }
      }
    }
  }
}
