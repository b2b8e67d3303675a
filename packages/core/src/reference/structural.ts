import { evaluator } from '../expression/index.ts';
import { concatOp } from '../ops/concat.ts';
import { fillOp } from '../ops/fill.ts';
import { mapOp } from '../ops/map.ts';
import { padOp } from '../ops/pad.ts';
import { randomOp } from '../ops/random.ts';
import { reduceOp } from '../ops/reduce.ts';
import { reshapeOp } from '../ops/reshape.ts';
import { sliceOp } from '../ops/slice.ts';
import { stopGradientOp } from '../ops/stop-gradient.ts';
import { transposeOp } from '../ops/transpose.ts';
import type * as ops from '../ops/index.ts';
import type { KernelsOf } from '../kernel.ts';
import { philox4x32 } from '../philox.ts';
import { stridesOf } from '../tensor.ts';
import { forEachPosition, referenceKernel, type ReferenceKernel } from './kernel.ts';

/** Element number of a position. */
const at = (strides: readonly number[], position: readonly number[]): number =>
  strides.reduce((sum, stride, axis) => sum + stride * position[axis]!, 0);

/** Strides of `shape` read as if broadcast to `rank` axes: 0 where the size is 1. */
function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  return [...Array.from({ length: rank - shape.length }, () => 0), ...own];
}

/** The structural ops, written out. */
export const structuralReference = {
  mapOp: referenceKernel(mapOp, ({ inputs, outputs: [y], attributes: { expression, shape } }) => {
    const evaluate = evaluator(expression);
    const strides = inputs.map((x) => broadcastStrides(x.shape, shape.length));
    const operands = inputs.map(() => 0);
    forEachPosition(shape, (position, i) => {
      inputs.forEach((x, k) => (operands[k] = x.data[at(strides[k]!, position)]!));
      y!.data[i] = evaluate(operands, position);
    });
  }),
  reduceOp: referenceKernel(reduceOp, ({ inputs: [x], outputs: [y], attributes: { kind, axes } }) => {
    const kept = x!.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const strides = stridesOf(y!.shape);
    if (kind !== 'sum') y!.data.fill(kind === 'max' ? -Infinity : Infinity);
    forEachPosition(x!.shape, (position, i) => {
      const o = at(
        strides,
        kept.map((axis) => position[axis]!),
      );
      const [held, value] = [y!.data[o]!, x!.data[i]!];
      y!.data[o] = kind === 'sum' ? held + value : kind === 'max' ? Math.max(held, value) : Math.min(held, value);
    });
  }),
  fillOp: referenceKernel(fillOp, ({ outputs: [y], attributes: { value } }) => void y!.data.fill(value)),
  randomOp: referenceKernel(randomOp, ({ inputs: [step], outputs: [y], attributes: { seed, stream } }) => {
    for (let i = 0; i < y!.data.length; i++)
      y!.data[i] = philox4x32([Math.floor(i / 4), 0, step!.data[0]!, 0], [seed >>> 0, stream >>> 0])[i % 4]!;
  }),
  reshapeOp: referenceKernel(reshapeOp, ({ inputs: [x], outputs: [y] }) => y!.data.set(x!.data)),
  stopGradientOp: referenceKernel(stopGradientOp, ({ inputs: [x], outputs: [y] }) => y!.data.set(x!.data)),
  transposeOp: referenceKernel(transposeOp, ({ inputs: [x], outputs: [y], attributes: { permutation } }) => {
    const strides = stridesOf(x!.shape);
    const read = permutation.map((axis) => strides[axis]!);
    forEachPosition(y!.shape, (position, i) => (y!.data[i] = x!.data[at(read, position)]!));
  }),
  sliceOp: referenceKernel(sliceOp, ({ inputs: [x], outputs: [y], attributes: { start, stride } }) => {
    const strides = stridesOf(x!.shape);
    forEachPosition(y!.shape, (position, i) => {
      y!.data[i] =
        x!.data[
          at(
            strides,
            position.map((p, axis) => start[axis]! + p * stride[axis]!),
          )
        ]!;
    });
  }),
  padOp: referenceKernel(padOp, ({ inputs: [x], outputs: [y], attributes: { before, interior, value } }) => {
    y!.data.fill(value);
    const strides = stridesOf(y!.shape);
    forEachPosition(x!.shape, (position, i) => {
      y!.data[
        at(
          strides,
          position.map((p, axis) => before[axis]! + p * (interior[axis]! + 1)),
        )
      ] = x!.data[i]!;
    });
  }),
  concatOp: referenceKernel(concatOp, ({ inputs, outputs: [y], attributes: { axis } }) => {
    const strides = stridesOf(y!.shape);
    let offset = 0;
    for (const x of inputs) {
      forEachPosition(x.shape, (position, i) => (y!.data[at(strides, position) + offset * strides[axis]!] = x.data[i]!));
      offset += x.shape[axis]!;
    }
  }),
} satisfies KernelsOf<typeof ops, ReferenceKernel>;
