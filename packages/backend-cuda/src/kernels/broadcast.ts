import { stridesOf, type Shape } from '@shoal/core';

/** A share of an index that is computed from another one: `index / inner % size * stride`. */
export interface IndexTerm {
  readonly inner: number;
  readonly size: number;
  readonly stride: number;
}

/** {@link broadcastIndex} as numbers. Axes that are read together are taken apart together. */
export function broadcastTerms(from: Shape, to: Shape): readonly IndexTerm[] {
  const lead = to.length - from.length;
  const strides = stridesOf(from);
  const repeated = to.map((size, axis) => size === 1 || axis < lead || from[axis - lead] === 1);
  const inner = stridesOf(to);
  const terms: IndexTerm[] = [];
  for (let axis = to.length - 1; axis >= 0; axis--) {
    if (repeated[axis]) continue;
    const last = axis;
    while (axis > 0 && !repeated[axis - 1]) axis--;
    terms.push({ inner: inner[last]!, size: to.slice(axis, last + 1).reduce((a, b) => a * b, 1), stride: strides[last - lead]! });
  }
  return terms;
}

/**
 * The element of a tensor of shape `from` that broadcasting to shape `to` puts at row-major index `index` of the result.
 * A bias along the last axis costs one remainder.
 */
export function broadcastIndex(index: string, from: Shape, to: Shape): string {
  const total = to.reduce((product, n) => product * n, 1);
  const terms = broadcastTerms(from, to).map(({ inner, size, stride }) => {
    const quotient = inner === 1 ? `(${index})` : `(${index}) / ${inner}`;
    const part = inner * size === total ? quotient : `(${quotient}) % ${size}`;
    return stride === 1 ? `(${part})` : `(${part}) * ${stride}`;
  });
  return terms.length === 0 ? '0' : terms.join(' + ');
}
