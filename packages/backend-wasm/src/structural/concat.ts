import { concatOp } from '@shoal/core';
import { wasmKernel } from '../kernel.ts';
import { layoutOf } from '../layout.ts';
import { emitCopies } from './copy.ts';

/** Each input in its place. */
export const concatWasm = wasmKernel(concatOp, ({ inputs, outputs: [y], attributes: { axis }, stage, fused }) => {
  const { strides } = layoutOf(y!);
  let at = 0;
  emitCopies(
    { stage, fused },
    inputs.map((x, input) => {
      const to = at * strides[axis]!;
      at += x.shape[axis]!;
      return { input, shape: x.shape, from: 0, fromStrides: layoutOf(x).strides, to, toStrides: strides };
    }),
  );
});
