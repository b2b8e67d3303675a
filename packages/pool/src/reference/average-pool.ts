import { nhwc } from '@shoal/core';
import { forEachPosition, referenceKernel } from '@shoal/core/reference';
import { averagePool as op, averagePoolGradient as gradient, windowDivisors } from '../average-pool.ts';
import { windowCells } from '../window.ts';

export const averagePool = referenceKernel(op, ({ inputs: [x], outputs: [y], attributes }) => {
  const [, H, W, C] = nhwc(op.name, x!.shape);
  const { rows, columns } = windowCells(x!.shape, y!.shape, attributes);
  const divisors = windowDivisors(x!.shape, y!.shape, attributes);
  forEachPosition(y!.shape, ([n, oh, ow, c], i) => {
    let sum = 0;
    for (const h of rows[oh!]!) {
      for (const w of columns[ow!]!) sum += x!.data[((n! * H + h) * W + w) * C + c!]!;
    }
    y!.data[i] = sum / (divisors.rows[oh!]! * divisors.columns[ow!]!);
  });
});

export const averagePoolGradient = referenceKernel(gradient, ({ inputs: [dy], outputs: [dx], attributes }) => {
  const [, H, W, C] = nhwc(gradient.name, dx!.shape);
  const { rows, columns } = windowCells(dx!.shape, dy!.shape, attributes);
  const divisors = windowDivisors(dx!.shape, dy!.shape, attributes);
  forEachPosition(dy!.shape, ([n, oh, ow, c], i) => {
    const share = dy!.data[i]! / (divisors.rows[oh!]! * divisors.columns[ow!]!);
    for (const h of rows[oh!]!) {
      for (const w of columns[ow!]!) dx!.data[((n! * H + h) * W + w) * C + c!]! += share;
    }
  });
});
