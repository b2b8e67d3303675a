import type { Node, Value } from '@shoal/core';

interface Place {
  /** The last value before this one that every way from the root leads through; null for the root. */
  readonly dominator: Value | null;
  readonly depth: number;
}

/**
 * Which values every way from `root` to a value leads through. The graph has no cycles, so one pass in topological order finds the
 * immediate dominator of each: the nearest common one of what it is computed from (Cooper, Harvey and Kennedy, "A simple, fast
 * dominance algorithm", 2001).
 */
export class Dominators {
  readonly #places = new Map<Value, Place>();

  constructor(root: Value, order: readonly Node[]) {
    this.#places.set(root, { dominator: null, depth: 0 });
    for (const node of order) {
      const known = node.inputs.filter((value) => this.#places.has(value));
      if (known.length === 0) continue;
      const dominator = this.nearest(known);
      const place = { dominator, depth: this.#at(dominator).depth + 1 };
      node.outputs.forEach((value) => this.#places.set(value, place));
    }
  }

  /** Whether a way leads from the root to the value. */
  has(value: Value): boolean {
    return this.#places.has(value);
  }

  /** The nearest common dominator; a value dominates itself. With `wanted`, the nearest of those. */
  nearest(values: readonly Value[], wanted: (value: Value) => boolean = () => true): Value {
    let found = values.reduce((a, b) => this.#common(a, b));
    for (let { dominator } = this.#at(found); !wanted(found) && dominator; { dominator } = this.#at(found)) found = dominator;
    return found;
  }

  #common(a: Value, b: Value): Value {
    let [left, right] = [a, b];
    while (left !== right) {
      const [l, r] = [this.#at(left), this.#at(right)];
      // The root alone has no dominator, and nothing is above it.
      if (l.depth >= r.depth) left = l.dominator ?? left;
      if (r.depth >= l.depth) right = r.dominator ?? right;
    }
    return left;
  }

  #at(value: Value): Place {
    return this.#places.get(value)!;
  }
}
