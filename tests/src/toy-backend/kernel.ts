import type { Kernel, Op, OpSite, Support, TensorType } from '@shoal/core';

/** A tensor of this backend: a view of its arena, float32 for `f32`. */
export interface ToyTensor extends TensorType {
  readonly data: Float32Array | Int32Array | Uint32Array;
}

export interface ToySite<A> {
  readonly inputs: readonly ToyTensor[];
  /** Holds whatever was there before: a kernel writes every element. */
  readonly outputs: readonly ToyTensor[];
  readonly attributes: A;
}

export interface ToyKernel extends Kernel {
  readonly backend: 'toy';
  readonly run: (site: ToySite<never>) => void;
}

export function toyKernel<A extends object>(
  op: Op<A>,
  run: (site: ToySite<A>) => void,
  supports?: (site: OpSite<A>) => Support,
): ToyKernel {
  return { op, backend: 'toy', run, ...(supports ? { supports } : {}) };
}
