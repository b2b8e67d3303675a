import { nhwc } from '@shoal/core';
import { forEachPosition, referenceKernel } from '@shoal/core/reference';
import { maxPool as op, maxPoolGather as gather, maxPoolGradient as gradient } from '../max-pool.ts';
import { windowCells } from '../window.ts';

export const maxPool = referenceKernel(op, ({ inputs: [x], outputs: [y, winner], attributes }) => {
  const [, H, W, C] = nhwc(op.name, x!.shape);
  const { rows, columns } = windowCells(x!.shape, y!.shape, attributes);
  forEachPosition(y!.shape, ([n, oh, ow, c], i) => {
    let best = NaN;
    let at = -1; // no cell yet: no sentinel value to mistake for data
    for (const h of rows[oh!]!) {
      for (const w of columns[ow!]!) {
        const value = x!.data[((n! * H + h) * W + w) * C + c!]!;
        if (at < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) [best, at] = [value, h * W + w];
      }
    }
    y!.data[i] = best;
    winner!.data[i] = at;
  });
});

export const maxPoolGradient = referenceKernel(gradient, ({ inputs: [dy, winner], outputs: [dx] }) => {
  const [, H, W, C] = nhwc(gradient.name, dx!.shape);
  forEachPosition(dy!.shape, ([n, , , c], i) => (dx!.data[(n! * H * W + winner!.data[i]!) * C + c!]! += dy!.data[i]!));
});

export const maxPoolGather = referenceKernel(gather, ({ inputs: [x, winner], outputs: [y] }) => {
  const [, H, W, C] = nhwc(gather.name, x!.shape);
  forEachPosition(y!.shape, ([n, , , c], i) => (y!.data[i] = x!.data[(n! * H * W + winner!.data[i]!) * C + c!]!));
});
