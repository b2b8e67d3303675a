import type { Kernel, Support } from '../kernel.ts';
import type { Op, OpSite } from '../graph.ts';
import type { TensorType } from '../tensor.ts';

/** A tensor as the reference backend holds it: `f32` values in float64. */
export interface ReferenceTensor extends TensorType {
  readonly data: Float64Array | Int32Array | Uint32Array;
}

export interface ReferenceSite<A> {
  readonly inputs: readonly ReferenceTensor[];
  /** Zero-filled; the kernel writes them. */
  readonly outputs: readonly ReferenceTensor[];
  readonly attributes: A;
}

/** An op's definition written out: plain loops, every intermediate in float64, readable before fast, never optimised. */
export interface ReferenceKernel extends Kernel {
  readonly backend: 'reference';
  readonly run: (site: ReferenceSite<never>) => void;
}

export function referenceKernel<A extends object>(
  op: Op<A>,
  run: (site: ReferenceSite<A>) => void,
  supports?: (site: OpSite<A>) => Support,
): ReferenceKernel {
  return { op, backend: 'reference', run, ...(supports ? { supports } : {}) };
}

/** Calls `visit` for every position of a shape, row-major, with the running element number. The position array is reused. */
export function forEachPosition(shape: readonly number[], visit: (position: number[], element: number) => void): void {
  const position = shape.map(() => 0);
  const size = shape.reduce((product, n) => product * n, 1);
  for (let element = 0; element < size; element++) {
    visit(position, element);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
}
