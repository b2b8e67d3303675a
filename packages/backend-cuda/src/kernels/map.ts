import { mapOp, stridesOf } from '@shoal/core';
import { printExpression } from '../expression.ts';
import { cudaKernel, elements } from '../kernel.ts';
import { broadcastIndex } from './broadcast.ts';

export const mapKernel = cudaKernel(mapOp, {
  emit({ inputs, outputs: [y], attributes: { expression, shape } }) {
    const strides = stridesOf(shape);
    const { statements, result } = printExpression(expression, {
      input: (k) => inputs[k]!.read(broadcastIndex('i', inputs[k]!.shape, shape)),
      coordinate: (axis) => `(i / ${strides[axis]!}) % ${shape[axis]!}`,
    });
    return [elements(y!.size, `${statements}${y!.write('i', result)}`)];
  },
});
