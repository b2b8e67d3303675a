import { reduceOp, sizeOf, stridesOf } from '@shoal/core';
import { wgslKernel } from '../kernel.ts';
import { reduction } from '../reduction.ts';
import { gatherIndex } from './gather.ts';

export const reduceKernel = wgslKernel(reduceOp, {
  fusion: { epilogue: true, load: { 0: 'masked' } },
  emit(site) {
    const {
      inputs: [x],
      outputs: [y],
      attributes: { kind, axes },
    } = site;
    const last = x!.shape.length - 1;
    const adjacent = axes.includes(last) ? 'terms' : 'results';
    const lanes = kind === 'sum' && adjacent === 'results' && x!.shape[last]! % 4 === 0 ? 4 : 1;
    const shape = x!.shape.map((size, axis) => (axis === last ? size / lanes : size));
    const strides = stridesOf(shape);
    const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const along = (index: string, which: readonly number[]): string =>
      gatherIndex(
        index,
        which.map((axis) => shape[axis]!),
        which.map((axis) => ({ stride: strides[axis]! })),
      );
    return reduction(site, {
      kind,
      dtype: x!.dtype,
      results: y!.size,
      adjacent,
      lanes,
      terms: sizeOf(axes.map((axis) => x!.shape[axis]!)),
      term: `return ${(lanes === 4 ? x!.read4 : x!.read)(`${along('o', kept)} + ${along('r', axes)}`)};`,
      write: (o, value) => (lanes === 4 ? y!.write4 : y!.write)(o, value),
    });
  },
});
