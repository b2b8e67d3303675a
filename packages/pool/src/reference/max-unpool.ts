import { nhwc } from '@shoal/core';
import { forEachPosition, referenceKernel } from '@shoal/core/reference';
import { maxUnpool as op, maxUnpoolGradient as gradient } from '../max-unpool.ts';

export const maxUnpool = referenceKernel(op, ({ inputs: [x, winner], outputs: [y, source] }) => {
  const [, , W, C] = nhwc(op.name, x!.shape);
  const [, OH, OW] = nhwc(op.name, y!.shape);
  source!.data.fill(-1);
  forEachPosition(x!.shape, ([n, h, w, c], i) => {
    const at = winner!.data[i]!;
    if (at < 0 || at >= OH * OW) return;
    const o = (n! * OH * OW + at) * C + c!;
    y!.data[o] = x!.data[i]!;
    source!.data[o] = h! * W + w!;
  });
});

export const maxUnpoolGradient = referenceKernel(gradient, ({ inputs: [dy, winner, source], outputs: [dx] }) => {
  const [, , W, C] = nhwc(gradient.name, dx!.shape);
  const [, OH, OW] = nhwc(gradient.name, dy!.shape);
  forEachPosition(dx!.shape, ([n, h, w, c], i) => {
    const at = winner!.data[i]!;
    if (at < 0 || at >= OH * OW) return;
    const o = (n! * OH * OW + at) * C + c!;
    if (source!.data[o] === h! * W + w!) dx!.data[i] = dy!.data[o]!;
  });
});
