import { sliceOp } from '@shoal/core';
import { wasmKernel } from '../kernel.ts';
import { layoutOf } from '../layout.ts';
import { emitCopies } from './copy.ts';

/** A box of the input, with strides. */
export const sliceWasm = wasmKernel(sliceOp, ({ inputs: [x], outputs: [y], attributes: { start, stride }, stage, fused }) => {
  const { strides } = layoutOf(x!);
  const from = start.reduce((sum, position, axis) => sum + position * strides[axis]!, 0);
  emitCopies({ stage, fused }, [
    {
      input: 0,
      shape: y!.shape,
      from,
      fromStrides: strides.map((bytes, axis) => bytes * stride[axis]!),
      to: 0,
      toStrides: layoutOf(y!).strides,
    },
  ]);
});
