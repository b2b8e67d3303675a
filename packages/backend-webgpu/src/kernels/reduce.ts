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
    const strides = stridesOf(x!.shape);
    const kept = x!.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const along = (index: string, which: readonly number[]): string =>
      gatherIndex(
        index,
        which.map((axis) => x!.shape[axis]!),
        which.map((axis) => ({ stride: strides[axis]! })),
      );
    return reduction(site, {
      kind,
      dtype: x!.dtype,
      results: y!.size,
      adjacent: axes.includes(x!.shape.length - 1) ? 'terms' : 'results',
      terms: sizeOf(axes.map((axis) => x!.shape[axis]!)),
      term: `return ${x!.read(`${along('o', kept)} + ${along('r', axes)}`)};`,
      write: (o, value) => y!.write(o, value),
    });
  },
});
