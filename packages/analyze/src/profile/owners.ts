import { costOf, rootsOf, ShoalError, topological, type Node, type Shape, type Step, type Value } from '@shoal/core';
import { layersOf, type LayerKind } from '../layers/index.ts';
import type { PhaseProgram } from './program.ts';

/** What time is put down to: a layer of the network, or a part of a training step that is none. */
export interface Section {
  /** A layer's name; `loss` and `optimizer` in training; `rest` for what is none of these, such as counting the steps for dropout, and ending a run. */
  readonly name: string;
  readonly kind: LayerKind | OtherKind;
  readonly stage: string;
  /** Of a layer's output. */
  readonly shape: Shape;
}

/** Parts of a program that are no layers of the network. */
export type OtherKind = 'loss' | 'optimizer' | 'rest';

export type Direction = 'forward' | 'backward' | 'update';

export interface Owner {
  readonly section: Section;
  readonly direction: Direction;
}

export interface Ownership {
  /** All sections, layers first, in an order in which they can run. */
  readonly sections: readonly Section[];
  /** Those that are layers of the network. */
  readonly layers: ReadonlySet<Section>;
  /** The owner of each node of the program. Equal owners are the same object. */
  readonly nodes: ReadonlyMap<Node, Owner>;
  /**
   * Who has a part in a step, each once: whose kernel it is comes first. Where that is a map made of several, it is whose part runs first.
   * What a device does beside the steps (`undefined`) ends a run: new values are copied into variables.
   */
  readonly of: (step: Step | undefined) => readonly [Owner, ...Owner[]];
}

const other = (kind: OtherKind): Section => ({ name: kind, kind, stage: kind === 'rest' ? 'rest' : 'training', shape: [] });

/**
 * Finds for each node of a program, and for each step that is made of it, the layer it belongs to. The nodes of the forward pass are those
 * of {@link layersOf}; what a layer reads beside its inputs (random numbers) or makes beside its output (running statistics) is its own.
 * A gradient belongs to the layer whose gradient it is. Rewritten nodes lead back to what they were built for.
 */
export function ownersOf(work: PhaseProgram): Ownership {
  const { program, graph, image, loss } = work;
  const layers = layersOf(graph, image).map(({ name, kind, stage, output, nodes }) => ({
    section: { name, kind, stage, shape: output.shape },
    nodes,
  }));
  const [lossSection, optimizer, rest] = [other('loss'), other('optimizer'), other('rest')];
  const sections = [...layers.map(({ section }) => section), ...(loss ? [lossSection, optimizer] : []), rest];
  const interned = new Map<Section, Map<Direction, Owner>>(sections.map((section) => [section, new Map()]));
  const owner = (section: Section, direction: Direction): Owner => {
    const known = interned.get(section)!;
    if (!known.has(direction)) known.set(direction, { section, direction });
    return known.get(direction)!;
  };

  const nodes = new Map<Node, Owner>();
  for (const { section, nodes: own } of layers) for (const node of own) nodes.set(node, owner(section, 'forward'));
  const network = topological([graph.output, ...(loss ? graph.updates.map(([, value]) => value) : [])]);
  adopt(network, nodes);
  for (const node of network) if (!nodes.has(node)) nodes.set(node, owner(rest, 'forward'));
  for (const node of topological(loss ? [loss] : [])) if (!nodes.has(node)) nodes.set(node, owner(lossSection, 'forward'));
  const sourcesOf = (node: Node): readonly Owner[] => (nodes.has(node) ? [nodes.get(node)!] : node.builtFor.flatMap(sourcesOf));
  for (const node of topological(work.gradients)) {
    // The gradient of the loss to itself, and zeros, are built for nothing.
    if (!nodes.has(node)) nodes.set(node, owner(sourcesOf(node)[0]?.section ?? lossSection, 'backward'));
  }
  for (const node of topological(rootsOf(program))) if (!nodes.has(node)) nodes.set(node, owner(optimizer, 'update'));

  const of = (step: Step | undefined): readonly [Owner, ...Owner[]] => {
    if (!step) return [owner(loss ? optimizer : rest, 'update')];
    const [first, ...others] = new Set([step.node, ...step.fused].flatMap(sourcesOf));
    if (first) return [first, ...others];
    throw new ShoalError('GRAPH', { op: step.node.op.name, fact: 'a step leads back to no node of the program that was compiled' });
  };
  return { sections, layers: new Set(layers.map(({ section }) => section)), nodes, of };
}

/** Multiply-accumulates of the graph as it was built, by who owns its nodes. */
export function macsByOwner({ nodes }: Ownership): (section: Section, direction: Direction) => number {
  const counts = new Map<Owner, number>();
  for (const [node, owner] of nodes) counts.set(owner, (counts.get(owner) ?? 0) + costOf(node).multiplyAccumulates);
  return (section, direction) =>
    [...counts].reduce((sum, [owner, count]) => sum + (owner.section === section && owner.direction === direction ? count : 0), 0);
}

/** Gives nodes without an owner to whoever reads them first; those that nobody reads to whoever made what they read. */
function adopt(order: readonly Node[], owners: Map<Node, Owner>): void {
  const readers = new Map<Value, Node[]>();
  for (const node of order) for (const value of node.inputs) readers.set(value, [...(readers.get(value) ?? []), node]);
  const give = (node: Node, relatives: readonly (Node | null)[]): void => {
    const relative = relatives.find((each) => each && owners.has(each));
    if (relative && !owners.has(node)) owners.set(node, owners.get(relative)!);
  };
  for (const node of order.toReversed())
    give(
      node,
      node.outputs.flatMap((value) => readers.get(value) ?? []),
    );
  for (const node of order)
    give(
      node,
      node.inputs.map((value) => value.node),
    );
}
