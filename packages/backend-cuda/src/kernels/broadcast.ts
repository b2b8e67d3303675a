import { stridesOf, type Shape } from '@shoal/core';

/**
 * The element of a tensor of shape `from` that broadcasting to shape `to` puts at row-major index `index` of the result.
 * Axes that are read together are taken apart together, so a bias along the last axis costs one remainder.
 */
export function broadcastIndex(index: string, from: Shape, to: Shape): string {
  const lead = to.length - from.length;
  const strides = stridesOf(from);
  const repeated = to.map((size, axis) => size === 1 || axis < lead || from[axis - lead] === 1);
  const inner = stridesOf(to);
  const terms: string[] = [];
  for (let axis = to.length - 1; axis >= 0; axis--) {
    if (repeated[axis]) continue;
    let first = axis;
    while (first > 0 && !repeated[first - 1]) first--;
    const run = to.slice(first, axis + 1).reduce((product, n) => product * n, 1);
    const outer = to.slice(0, first).reduce((product, n) => product * n, 1);
    const quotient = inner[axis] === 1 ? `(${index})` : `(${index}) / ${inner[axis]!}`;
    const part = outer === 1 ? quotient : `(${quotient}) % ${run}`;
    const stride = strides[axis - lead]!;
    terms.push(stride === 1 ? `(${part})` : `(${part}) * ${stride}`);
    axis = first;
  }
  return terms.length === 0 ? '0' : terms.join(' + ');
}
