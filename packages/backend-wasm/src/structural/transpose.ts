import { transposeOp } from '@shoal/core';
import { wasmKernel } from '../kernel.ts';
import { layoutOf } from '../layout.ts';
import { emitCopies } from './copy.ts';

/** Reads along the output's rows, wherever they lie in the input. */
export const transposeWasm = wasmKernel(transposeOp, ({ inputs: [x], outputs: [y], attributes: { permutation }, stage, fused }) => {
  const strides = layoutOf(x!).strides;
  emitCopies({ stage, fused }, [
    { input: 0, shape: y!.shape, from: 0, fromStrides: permutation.map((axis) => strides[axis]!), to: 0, toStrides: layoutOf(y!).strides },
  ]);
});
