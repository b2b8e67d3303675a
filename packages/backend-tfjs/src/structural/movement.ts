import { concatOp, padOp, reshapeOp, sameShape, sliceOp, transposeOp } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import { tfjsKernel, unlessInteger } from '../kernel.ts';
import { place, take } from '../shaping.ts';
import { filled } from '../transfer.ts';

export const reshapeTfjs = tfjsKernel(reshapeOp, ({ tf, inputs: [x], attributes: { shape } }) => [tf.reshape(x!, [...shape])], {
  rank: () => 0,
});

export const transposeTfjs = unlessInteger(
  tfjsKernel(transposeOp, ({ tf, inputs: [x], attributes: { permutation } }) => [tf.transpose(x!, [...permutation])]),
  structuralReference.transposeOp,
);

export const sliceTfjs = unlessInteger(
  tfjsKernel(sliceOp, ({ tf, inputs: [x], attributes: { start, size, stride } }) => [
    size.reduce((part, count, axis) => take(tf, part, axis, { start: start[axis]!, count, stride: stride[axis]! }), x!),
  ]),
  structuralReference.sliceOp,
);

export const padTfjs = unlessInteger(
  tfjsKernel(padOp, ({ tf, inputs: [x], outputs: [y], attributes: { before, interior, value } }) => {
    if (x!.size === 0) return [filled(tf, y!, value)];
    return [
      y!.shape.reduce((part, size, axis) => place(tf, part, axis, { start: before[axis]!, stride: interior[axis]! + 1 }, size, value), x!),
    ];
  }),
  structuralReference.padOp,
);

export const concatTfjs = unlessInteger(
  tfjsKernel(concatOp, ({ tf, inputs, outputs: [y], attributes: { axis } }) => {
    const parts = inputs.filter((x) => x.size > 0);
    return [sameShape(parts[0]!.shape, y!.shape) ? parts[0]! : tf.concat([...parts], axis)];
  }),
  structuralReference.concatOp,
);
