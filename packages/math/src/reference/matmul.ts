import { stridesOf, type Shape } from '@shoal/core';
import { forEachPosition, referenceKernel } from '@shoal/core/reference';
import { matmulOp, matmulSizes } from '../matmul.ts';

/** Strides, in matrices, of leading axes that broadcast to `rank` axes. */
function batchStrides(lead: Shape, rank: number): number[] {
  const own = stridesOf(lead).map((stride, axis) => (lead[axis] === 1 ? 0 : stride));
  return [...Array.from({ length: rank - lead.length }, () => 0), ...own];
}

export const matmulReference = referenceKernel(matmulOp, ({ inputs: [a, b], outputs: [y], attributes }) => {
  const { batch, m, k, n } = matmulSizes(a!, b!, attributes);
  const aBatch = batchStrides(a!.shape.slice(0, -2), batch.length);
  const bBatch = batchStrides(b!.shape.slice(0, -2), batch.length);
  const [aRow, aInner] = attributes.transposeA ? [1, m] : [k, 1];
  const [bInner, bColumn] = attributes.transposeB ? [1, k] : [n, 1];
  forEachPosition(batch, (position, matrix) => {
    const a0 = m * k * position.reduce((sum, p, axis) => sum + p * aBatch[axis]!, 0);
    const b0 = k * n * position.reduce((sum, p, axis) => sum + p * bBatch[axis]!, 0);
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += a!.data[a0 + row * aRow + i * aInner]! * b!.data[b0 + i * bInner + column * bColumn]!;
        y!.data[(matrix * m + row) * n + column] = sum;
      }
    }
  });
});
