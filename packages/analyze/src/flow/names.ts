import { mapOp, reshapeOp, type Node, type Value } from '@shoal/core';
import type { Tap } from '@shoal/residual';
import type { Structure } from './structure.ts';

/**
 * Calls values by the names that a network gave them. One without a name is called like what only elementwise work separates from it
 * (the sum inside a residual block like the block, which is its ReLU), else `after NAME`, by the nearest named value before it.
 */
export class Names {
  readonly #structure: Structure;
  readonly #known = new Map<Value, string>();

  constructor(structure: Structure, taps: readonly Tap[]) {
    this.#structure = structure;
    for (const { name, value } of taps) if (!this.#known.has(value)) this.#known.set(value, name);
  }

  of(value: Value): string {
    return this.#known.get(value) ?? this.#ahead(value) ?? `after ${this.#behind(value)}`;
  }

  #ahead(value: Value): string | undefined {
    const [only, ...others] = this.#structure.consumers(value);
    if (!only || others.length > 0 || !isElementwise(only)) return undefined;
    return this.#known.get(only.outputs[0]!) ?? this.#ahead(only.outputs[0]!);
  }

  #behind(value: Value): string {
    for (let node = value.node; node;) {
      const before = this.#structure.operands(node)[0]!;
      const name = this.#known.get(before);
      if (name !== undefined) return name;
      node = before.node;
    }
    return 'image';
  }
}

const isElementwise = (node: Node): boolean => node.op.name === mapOp.name || node.op.name === reshapeOp.name;
