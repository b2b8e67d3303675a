import type { Node } from './graph.ts';
import { siteOf } from './kernel.ts';
import { sizeOf } from './tensor.ts';

/** What an evaluation costs, counted and not estimated. */
export interface Cost {
  readonly multiplyAccumulates: number;
  readonly additions: number;
  readonly multiplications: number;
  readonly comparisons: number;
  /** Divisions, roots, exponentials and the like. */
  readonly transcendentals: number;
  /** Bytes of all inputs read once and all outputs written once, unpadded. */
  readonly bytes: number;
}

const none: Cost = { multiplyAccumulates: 0, additions: 0, multiplications: 0, comparisons: 0, transcendentals: 0, bytes: 0 };

/** Cost of one node; bytes counted from its types. An op that moves other amounts says so itself. */
export function costOf(node: Node): Cost {
  const bytes = [...node.inputs, ...node.outputs].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  return { ...none, bytes, ...node.op.cost(siteOf(node)) };
}

export function addCosts(...costs: readonly Cost[]): Cost {
  return costs.reduce(
    (a, b) => ({
      multiplyAccumulates: a.multiplyAccumulates + b.multiplyAccumulates,
      additions: a.additions + b.additions,
      multiplications: a.multiplications + b.multiplications,
      comparisons: a.comparisons + b.comparisons,
      transcendentals: a.transcendentals + b.transcendentals,
      bytes: a.bytes + b.bytes,
    }),
    none,
  );
}
