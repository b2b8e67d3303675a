import { stridesOf, type Shape } from '@shoal/core';

/** Where an axis of the result reads from: element `(start + p * step) * stride` for position p. */
export interface AxisSource {
  readonly stride: number;
  readonly start?: number;
  readonly step?: number;
}

/** The sum over axes of the source elements of row-major index `index` of `shape`. */
export function gatherIndex(index: string, shape: Shape, sources: readonly AxisSource[]): string {
  const inner = stridesOf(shape);
  let offset = 0;
  const terms = shape.flatMap((size, axis) => {
    const { stride, start = 0, step = 1 } = sources[axis]!;
    offset += start * stride;
    if (size === 1) return [];
    const quotient = inner[axis] === 1 ? `(${index})` : `(${index}) / ${inner[axis]!}`;
    const position = axis === 0 ? quotient : `(${quotient}) % ${size}`;
    return [stride * step === 1 ? `(${position})` : `(${position}) * ${stride * step}`];
  });
  return [...terms, ...(offset > 0 || terms.length === 0 ? [`${offset}`] : [])].join(' + ');
}
