import { ShoalError, sizeOf, stridesOf, type Shape } from '@shoal/core';

/** Bytes of one element, of every dtype. */
export const ELEMENT_BYTES = 4;

/** The largest tensor, in bytes: offsets inside a tensor stay below 2^31, so that kernels may compare them signed. */
const TENSOR_LIMIT = 2 ** 31 - 65536;

/** How a tensor lies in memory. */
export interface Layout {
  readonly bytes: number;
  /** Bytes from one position of each axis to the next. */
  readonly strides: readonly number[];
}

/** The physical form of a tensor: dense and row-major (NHWC for images). Everything that places or walks tensors asks here. */
export function layoutOf({ shape }: { readonly shape: Shape }): Layout {
  return { bytes: sizeOf(shape) * ELEMENT_BYTES, strides: stridesOf(shape).map((stride) => stride * ELEMENT_BYTES) };
}

/** What a tensor takes. @throws ShoalError `MEMORY` where it is larger than offsets reach */
export function bytesOf(type: { readonly shape: Shape }): number {
  const { bytes } = layoutOf(type);
  if (bytes > TENSOR_LIMIT) {
    throw new ShoalError('MEMORY', {
      op: 'backend-wasm',
      fact: `a tensor of shape [${type.shape.join(',')}] takes ${bytes} bytes, more than the ${TENSOR_LIMIT} that one may have`,
      next: 'Use a smaller batch',
    });
  }
  return bytes;
}
