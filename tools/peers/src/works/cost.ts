import { costOf, sizeOf, topological, type Value } from '@shoal/core';
import type { Amount } from './work.ts';

/** The convolutions and products of a forward pass, unfused; bytes are those of its leaves and its result. */
export function forwardAmount(y: Value): Amount {
  const nodes = topological([y]);
  const macs = nodes.filter(({ op }) => /^(conv|math)\//.test(op.name)).reduce((sum, node) => sum + costOf(node).multiplyAccumulates, 0);
  const leaves = new Set(nodes.flatMap(({ inputs }) => inputs.filter(({ node }) => node === null)));
  const bytes = [...leaves, y].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  return { flop: 2 * macs, bytes };
}

/** A training step: the gradients to input and weights cost what the forward pass does, each. The optimizer is not counted. */
export const stepAmount = (logits: Value): Amount => {
  const { flop, bytes } = forwardAmount(logits);
  return { flop: 3 * flop, bytes: 3 * bytes };
};
