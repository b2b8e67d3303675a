import { expression as e, fillOp, mapOp, reduceOp, reshapeOp, stridesOf, unsupported, supported, type Shape } from '@shoal/core';
import { toyKernel } from './kernel.ts';

/** Where element `i` of `shape` reads a tensor that is broadcast to it. */
function broadcastIndex(i: number, shape: Shape, from: Shape): number {
  const [own, target] = [stridesOf(from), stridesOf(shape)];
  const lead = shape.length - from.length;
  return own.reduce(
    (sum, stride, axis) => (from[axis] === 1 ? sum : sum + stride * (Math.floor(i / target[axis + lead]!) % shape[axis + lead]!)),
    0,
  );
}

/** The structural ops that this backend has; what needs others is unsupported, and says so. */
export const kernels = {
  map: toyKernel(mapOp, ({ inputs, outputs: [y], attributes: { expression, shape } }) => {
    const evaluate = e.evaluator(expression);
    const strides = stridesOf(shape);
    for (let i = 0; i < y!.data.length; i++) {
      const operands = inputs.map((x) => x.data[broadcastIndex(i, shape, x.shape)]!);
      const coordinates = shape.map((size, axis) => Math.floor(i / strides[axis]!) % size);
      y!.data[i] = evaluate(operands, coordinates);
    }
  }),
  reduce: toyKernel(
    reduceOp,
    ({ inputs: [x], outputs: [y], attributes: { axes } }) => {
      const kept = x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
      y!.data.fill(0);
      for (let i = 0; i < x!.data.length; i++) y!.data[broadcastIndex(i, x!.shape, kept)]! += x!.data[i]!;
    },
    ({ attributes: { kind } }) => (kind === 'sum' ? supported : unsupported(`${kind} is not written yet`)),
  ),
  fill: toyKernel(fillOp, ({ outputs: [y], attributes: { value } }) => void y!.data.fill(value)),
  reshape: toyKernel(reshapeOp, ({ inputs: [x], outputs: [y] }) => y!.data.set(x!.data)),
};
