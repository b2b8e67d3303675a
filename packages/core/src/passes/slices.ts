import type { Node, Value } from '../graph.ts';
import { siteOf, type Kernel } from '../kernel.ts';
import { concatOp, type ConcatAttributes } from '../ops/concat.ts';
import { mapOp } from '../ops/map.ts';
import type { Program } from '../program.ts';
import { isAlias } from './fusion.ts';

/** A part of a concatenation along the last axis. */
export interface Slice {
  readonly concat: Node;
  /** Where the part starts on the last axis. */
  readonly from: number;
}

interface Slices {
  /** Concatenations that no step is made of, as those that compute the parts put them in their places. */
  readonly joined: ReadonlySet<Node>;
  /** For each node that computes a part, where it goes. */
  readonly of: ReadonlyMap<Node, Slice>;
  /** For each node that stores its cells repeated, the node that repeats them otherwise, which no step is made of. */
  readonly repeated: ReadonlyMap<Node, Node>;
}

/**
 * Finds concatenations along the last axis of which every part has no other reader and comes from a kernel that can write slices, and
 * repetitions of cells whose input does, alone or as such a part.
 */
export function findSlices(
  nodes: readonly Node[],
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
  { program, epilogues, fused }: { program: Program; epilogues: ReadonlyMap<Node, Node>; fused: ReadonlySet<Node> },
): Slices {
  const producers = new Map([...epilogues].map(([producer, map]) => [map, producer]));
  // An update is written into the variable by one step.
  const updates = new Set((program.updates ?? []).map(([, value]) => value.node));
  const producerOf = (part: Value): Node | null => {
    if (uses.get(part) !== 1 || !part.node) return null;
    const producer = producers.get(part.node) ?? part.node;
    const isResult = producer !== part.node || (part === producer.outputs[0] && !fused.has(producer));
    if (!isResult || isAlias(producer) || producer.op.name === mapOp.name) return null;
    return kernelFor(producer).fusion?.slice === true ? producer : null;
  };
  const repeated = new Map<Node, Node>();
  for (const node of nodes) {
    if (isAlias(node) || epilogues.has(node) || !kernelFor(node).repeats?.(siteOf(node))) continue;
    const producer = producerOf(node.inputs[0]!);
    if (!producer || repeated.has(producer)) continue;
    repeated.set(producer, node);
    producers.set(node, producer);
  }
  const joined = new Set<Node>();
  const of = new Map<Node, Slice>();
  for (const node of nodes) {
    if (node.op.name !== concatOp.name || node.inputs.length < 2 || updates.has(node)) continue;
    const { axis } = node.attributes as ConcatAttributes;
    const parts = node.inputs.map(producerOf);
    if (axis !== node.outputs[0]!.shape.length - 1 || parts.includes(null)) continue;
    joined.add(node);
    let from = 0;
    node.inputs.forEach(({ shape }, i) => {
      of.set(parts[i]!, { concat: node, from });
      from += shape[axis]!;
    });
  }
  return { joined, of, repeated };
}
