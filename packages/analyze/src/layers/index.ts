import { leavesOf, topological, Variable, type Node, type Value } from '@shoal/core';
import type { BlockResult } from '@shoal/residual';
import { groupNodes } from './groups.ts';
import { nameByWeight, recognise, type LayerKind } from './kinds.ts';
import { createNaming } from './naming.ts';

export type { LayerKind } from './kinds.ts';

/** A graph as blocks and networks give it; `taps` may be empty. */
export type LayeredGraph = Pick<BlockResult, 'output' | 'parameters' | 'taps'>;

/** A few nodes that are one layer to whoever thinks of the network. */
export interface Layer {
  /** As in the original modules: `layer1.0.conv1`. Layers without one are called by the block they are in and what they are: `layer1.0.relu`. */
  readonly name: string;
  readonly kind: LayerKind;
  /** For activations which: `relu`, `sigmoid`. For others a word like `maxpool`. */
  readonly word: string;
  /** The largest named part of the network that the layer is in; outside of parts the size of its map, or `head` where there is none. */
  readonly stage: string;
  /** Its nodes that are computed from the image, inputs before users. */
  readonly nodes: readonly Node[];
  /** What it reads that is computed from the image, by other layers. */
  readonly inputs: readonly Value[];
  readonly output: Value;
  /** The parameters that it is the first to use. */
  readonly parameters: readonly Variable[];
}

/**
 * The layers of a graph, in an order in which they can run. What depends on parameters alone, such as the scale of a batch norm in
 * evaluation, belongs to the layer that reads it and is none of its nodes.
 */
export function layersOf({ output, parameters, taps }: LayeredGraph, image: Value): readonly Layer[] {
  const nodes = topological([output]);
  const dependent = new Set<Value>([image]);
  for (const node of nodes) if (node.inputs.some((value) => dependent.has(value))) node.outputs.forEach((value) => dependent.add(value));
  const depends = (value: Value): boolean => dependent.has(value);
  const own = nodes.filter((node) => node.outputs.some(depends));
  const groups = groupNodes(own, taps, output, depends);
  const position = new Map(own.map((node, i) => [node, i]));
  const ordered = groups.toSorted((a, b) => position.get(a.nodes.at(-1)!)! - position.get(b.nodes.at(-1)!)!);
  const nameOf = createNaming(taps, depends);
  const unclaimed = new Set<Variable>(parameters);
  return ordered.map(({ nodes: members, tap }) => {
    const result = tap?.value ?? members.at(-1)!.outputs[0]!;
    const made = new Set(members.flatMap(({ outputs }) => outputs));
    const inputs = [...new Set(members.flatMap((node) => node.inputs.filter((value) => depends(value) && !made.has(value))))];
    const recognised = recognise(members, depends);
    const { word } = recognised;
    const kind = tap && tap.kind !== 'convolution' && tap.kind !== 'block' ? (tap.kind ?? recognised.kind) : recognised.kind;
    const name = tap?.name ?? nameByWeight(members[0]!);
    const fixed = leavesOf(members.flatMap((node) => node.inputs.filter((value) => !depends(value))));
    const mine = fixed.filter((leaf) => leaf instanceof Variable).filter((leaf) => unclaimed.delete(leaf));
    return { ...nameOf({ name, word, inputs, output: result }), kind, word, nodes: members, inputs, output: result, parameters: mine };
  });
}
