import { reduceOp, sizeOf, stridesOf } from '@shoal/core';
import { cudaKernel, elements, type CudaSite, type Launch } from '../kernel.ts';
import { reduction } from '../reduction.ts';
import { declareGather, gatherIndex } from './gather.ts';

export const reduceKernel = cudaKernel(reduceOp, {
  fusion: { epilogue: true, load: { 0: 'masked' } },
  emit(site) {
    const {
      inputs: [x],
      outputs: [y],
      attributes: { kind, axes },
    } = site;
    if (site.generic) return genericReduce(site);
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
      terms: sizeOf(axes.map((axis) => x!.shape[axis]!)),
      adjacent: axes.includes(x!.shape.length - 1) ? 'terms' : 'results',
      term: `return ${x!.read(`${along('o', kept)} + ${along('r', axes)}`)};`,
      write: (o, value) => y!.write(o, value),
    });
  },
});

/** Terms are brought side by side first, so that one text serves all axes; where they lie so already, or at equal distances, nothing is moved. */
function genericReduce(site: CudaSite<Parameters<typeof reduceOp.infer>[1]>): readonly Launch[] {
  const {
    inputs: [x],
    outputs: [y],
    attributes: { kind, axes },
  } = site;
  const strides = stridesOf(x!.shape);
  const long = x!.shape.map((_, axis) => axis).filter((axis) => x!.shape[axis] !== 1);
  const [kept, reduced] = [long.filter((axis) => !axes.includes(axis)), long.filter((axis) => axes.includes(axis))];
  const terms = sizeOf(axes.map((axis) => x!.shape[axis]!));
  const follow = (order: readonly number[]): boolean => order.every((axis, k) => axis === long[k]);
  const order = [...kept, ...reduced];
  const leading = !follow(order) && follow([...reduced, ...kept]);
  const moved = leading || follow(order) ? null : site.scratch(x!.dtype, x!.size);
  const gather = declareGather(
    site,
    'source',
    'i',
    order.map((axis) => x!.shape[axis]!),
    order.map((axis) => ({ stride: strides[axis]! })),
  );
  const read = moved?.read ?? x!.read;
  return [
    ...(moved ? [elements(x!.size, `${gather.statements}${moved.write('i', x!.read('source'))}`, { tables: gather.tables })] : []),
    ...reduction(site, {
      kind,
      dtype: x!.dtype,
      results: y!.size,
      terms,
      adjacent: leading ? 'results' : 'terms',
      term: `return ${read(`o * ${leading ? 1 : terms} + r * ${leading ? y!.size : 1}`)};`,
      write: (o, value) => y!.write(o, value),
    }),
  ];
}
