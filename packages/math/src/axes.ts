import { formatShape, ShapeError, type Value } from '@shoal/core';

/** The axis counted from 0; negative ones count from the end. */
export function resolveAxis(op: string, x: Value, axis: number): number {
  const rank = x.shape.length;
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError({ op, fact: `axis ${axis} is not an axis of ${formatShape(x.shape)}`, next: `Use ${-rank} to ${rank - 1}` });
  }
  return resolved;
}
