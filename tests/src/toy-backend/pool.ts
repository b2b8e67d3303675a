import { nhwc } from '@shoal/core';
import { maxPool, maxPoolGather, maxPoolGradient, windowCells } from '@shoal/pool';
import { toyKernel } from './kernel.ts';

/** Max pooling and its gradient for the toy backend: what a plugin's `./toy` entry would be. */
export const poolToy = {
  maxPool: toyKernel(maxPool, ({ inputs: [x], outputs: [y, winner], attributes }) => {
    const [batch, height, width, channels] = nhwc(maxPool.name, x!.shape);
    const { rows, columns } = windowCells(x!.shape, y!.shape, attributes);
    let out = 0;
    for (let n = 0; n < batch; n++) {
      for (const down of rows) {
        for (const across of columns) {
          for (let c = 0; c < channels; c++, out++) {
            let [best, at] = [NaN, -1];
            for (const h of down) {
              for (const w of across) {
                const value = x!.data[((n * height + h) * width + w) * channels + c]!;
                if (at < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) [best, at] = [value, h * width + w];
              }
            }
            y!.data[out] = best;
            winner!.data[out] = at;
          }
        }
      }
    }
  }),
  maxPoolGradient: toyKernel(maxPoolGradient, ({ inputs: [dy, winner], outputs: [dx] }) => {
    const [, height, width, channels] = nhwc(maxPoolGradient.name, dx!.shape);
    const perImage = dy!.data.length / dx!.shape[0]!;
    dx!.data.fill(0);
    dy!.data.forEach((arriving, i) => {
      const n = Math.floor(i / perImage);
      dx!.data[(n * height * width + winner!.data[i]!) * channels + (i % channels)]! += arriving;
    });
  }),
  maxPoolGather: toyKernel(maxPoolGather, ({ inputs: [x, winner], outputs: [y] }) => {
    const [, height, width, channels] = nhwc(maxPoolGather.name, x!.shape);
    const perImage = y!.data.length / x!.shape[0]!;
    winner!.data.forEach((cell, i) => {
      y!.data[i] = x!.data[(Math.floor(i / perImage) * height * width + cell) * channels + (i % channels)]!;
    });
  }),
};
