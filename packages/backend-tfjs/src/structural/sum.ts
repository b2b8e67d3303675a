import { sizeOf, stridesOf, type Shape } from '@shoal/core';

/** Neighbouring axes that are all summed over, or all kept, as one. */
interface Axis {
  readonly size: number;
  readonly summed: boolean;
}

/** Sums over axes of a dense tensor, in float64. The result is dense, without those axes. */
export function sumOver(data: ArrayLike<number>, shape: Shape, axes: readonly number[]): Float64Array {
  const groups: Axis[] = [];
  shape.forEach((size, axis) => {
    const summed = axes.includes(axis);
    const last = groups.at(-1);
    if (last?.summed === summed) groups[groups.length - 1] = { size: last.size * size, summed };
    else groups.push({ size, summed });
  });
  const kept = groups.filter(({ summed }) => !summed).map(({ size }) => size);
  const sums = new Float64Array(sizeOf(kept));
  const strides = stridesOf(kept);
  let next = 0;
  const steps = groups.map(({ summed }) => (summed ? 0 : strides[next++]!));
  let read = 0;
  const visit = (group: number, at: number): void => {
    const [size, step] = [groups[group]!.size, steps[group]!];
    if (group + 1 < groups.length) for (let i = 0; i < size; i++) visit(group + 1, at + i * step);
    else for (let i = 0; i < size; i++) sums[at + i * step]! += data[read++]!;
  };
  if (groups.length > 0) visit(0, 0);
  else sums[0] = data[0]!;
  return sums;
}
