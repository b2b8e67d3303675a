import { conv2dGradientInput, conv2dOp } from '@shoal/conv';
import { topological, type Node, type Value } from '@shoal/core';
import { matmulOp } from '@shoal/math';
import { Dominators } from './dominators.ts';

/** Ops that have weights: they are what a path is long by. */
const weighted: ReadonlySet<string> = new Set([conv2dOp.name, conv2dGradientInput.name, matmulOp.name]);
const convolutions: ReadonlySet<string> = new Set([conv2dOp.name, conv2dGradientInput.name]);

export const isWeighted = (node: Node): boolean => weighted.has(node.op.name);
/** A convolution, transposed ones included. */
export const isConvolution = (node: Node): boolean => convolutions.has(node.op.name);

/** The part of a network's graph that depends on its image: what gradients flow back through. */
export class Structure {
  readonly image: Value;
  /** Inputs before users. */
  readonly nodes: readonly Node[];
  readonly #dominators: Dominators;
  readonly #consumers = new Map<Value, Node[]>();
  readonly #positions: ReadonlyMap<Node, number>;

  constructor(image: Value, output: Value) {
    this.image = image;
    const order = topological([output]);
    this.#dominators = new Dominators(image, order);
    this.nodes = order.filter((node) => node.outputs.some((value) => this.depends(value)));
    this.#positions = new Map(this.nodes.map((node, position) => [node, position]));
    for (const node of this.nodes) {
      for (const value of new Set(node.inputs)) this.#consumers.set(value, [...this.consumers(value), node]);
    }
  }

  /** Whether a value changes with the image. */
  depends(value: Value): boolean {
    return this.#dominators.has(value);
  }

  /** The inputs of a node that gradients flow back to: f32, and changing with the image. Each once. */
  operands(node: Node): readonly Value[] {
    return [...new Set(node.inputs)].filter((value) => value.dtype === 'f32' && this.depends(value));
  }

  /** The nodes that read a value. */
  consumers(value: Value): readonly Node[] {
    return this.#consumers.get(value) ?? [];
  }

  /** The last f32 value that every way from the image to any of `values` leads through: their nearest common dominator. */
  meeting(values: readonly Value[]): Value {
    return this.#dominators.nearest(values, (value) => value.dtype === 'f32');
  }

  /** The nodes on the ways from `from`, which dominates `to`, to `to`; inputs before users. */
  between(from: Value, to: Value): readonly Node[] {
    const found = new Set<Node>();
    const pending = [to];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (value === from || !value.node || found.has(value.node)) continue;
      found.add(value.node);
      pending.push(...value.node.inputs.filter((input) => this.depends(input)));
    }
    return [...found].toSorted((a, b) => this.#positions.get(a)! - this.#positions.get(b)!);
  }
}
