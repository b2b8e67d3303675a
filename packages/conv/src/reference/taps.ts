import type { Window2d } from '@shoal/core';
import type { Conv2dGeometry } from '../geometry.ts';

/**
 * Visits every product of a convolution by the element numbers of its factors: `x` in [n, h, w, in], `w` in
 * [kh, kw, in / groups, out], `y` in [n, oh, ow, out]. Convolution and its two gradients go over the same triples, and each sums
 * the product of two of them into the third. Cells in the padding are not visited. The order is row-major in the output's rows and
 * columns, then in the window, then over channels.
 */
export function forEachTap(
  geometry: Conv2dGeometry,
  { window, stride, dilation, padding }: Window2d,
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
            for (let c = 0; c < channelsPerGroup; c++) {
              for (let o = 0; o < outputChannels; o++) {
                const group = Math.floor(o / outputChannelsPerGroup);
                visit(
                  ((n * input.height + h) * input.width + w) * channels + group * channelsPerGroup + c,
                  ((i * window.width + j) * channelsPerGroup + c) * outputChannels + o,
                  ((n * output.height + oh) * output.width + ow) * outputChannels + o,
                );
              }
            }
          }
        }
      }
    }
  }
}
