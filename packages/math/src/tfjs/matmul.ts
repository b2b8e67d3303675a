import { broadcast, filled, tfjsKernel } from '@shoal/backend-tfjs';
import { sizeOf } from '@shoal/core';
import { matmulOp, matmulSizes } from '../matmul.ts';

/** A batch of products of two stacks of equal height: engines disagree on broadcasting more than one leading axis. */
export const matmulTfjs = tfjsKernel(matmulOp, ({ tf, inputs: [a, b], outputs: [y], attributes }) => {
  if (a!.size === 0 || b!.size === 0) return [filled(tf, y!, 0)];
  const { transposeA, transposeB } = attributes;
  const typeOf = ({ shape }: { readonly shape: readonly number[] }) => ({ shape, dtype: 'f32' }) as const;
  const { batch } = matmulSizes(typeOf(a!), typeOf(b!), attributes);
  const stack = (x: typeof a & {}) => tf.reshape(broadcast(tf, x, [...batch, ...x.shape.slice(-2)]), [sizeOf(batch), ...x.shape.slice(-2)]);
  return [tf.reshape(tf.matMul(stack(a!), stack(b!), transposeA, transposeB), [...y!.shape])];
});
