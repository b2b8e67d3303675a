import { concatOp, input, type Node, type Value } from '@shoal/core';
import { conv2dOp, type Conv2dAttributes } from '@shoal/conv';
import type { BlockResult, Network } from '@shoal/residual';
import { Names } from './names.ts';
import { isConvolution, Structure } from './structure.ts';
import { findSums, hasIdentityPath, type Side, type Sum } from './sums.ts';

export interface NamedConvolution {
  /** As the network calls it: `layer2.0.downsample.0`. */
  readonly name: string;
  /** Cells of its window, height and width. */
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Whether it skips cells: a stride above 1. False for transposed convolutions, which enlarge. */
  readonly strided: boolean;
}

export interface IsolatedConvolution extends NamedConvolution {
  /** The addition it is beside, named like its block. */
  readonly block: string;
}

export interface TrunkConvolution extends NamedConvolution {
  /** Before the first addition of the network, after the last, between two, or in a network without any. */
  readonly position: 'stem' | 'between' | 'head' | 'plain';
}

/** What the convolutions of a network are to its gradients; those in the branches of blocks are in neither list. */
export interface ConvolutionRoles {
  readonly isolated: readonly IsolatedConvolution[];
  readonly trunk: readonly TrunkConvolution[];
}

/**
 * Finds the isolated convolutions of a network, from its graph alone.
 *
 * A convolution is *isolated* when it is on the shortcut side of an addition with no identity path beside it:
 *
 * - An addition is an elementwise op with a constant slope to two or more operands of its own shape that change with the image (`a + b`,
 *   `a - b`, `a + 0.1 b`); one that only another one reads is part of that. What is broadcast is not a side.
 * - The sides part at the nearest common dominator of what is added: the last value that every way from the image to any of them leads
 *   through. A side is as long as its longest way from there, in weighted layers (convolutions,
 *   transposed convolutions and matrix products).
 * - The *shortcut* is the shortest side (several, if equally short); the longer ones are branches. Where all sides are equally long, no
 *   side is a shortcut, and nothing is isolated.
 * - An *identity path* is a way to the addition without weighted layers, on any side: pooling, upsampling, sums of channels and
 *   normalisation may be on it. Where there is one, nothing on the sides is isolated, not even beside an addition of its own within.
 * - On the shortcut, those convolutions are isolated which every way to the addition leads through: what has a way around it there (the
 *   branch of a nested residual block, a gate) has a path beside it.
 *
 * ("Isolated convolution" is the term of Sun et al., "FishNet", NeurIPS 2018.)
 *
 * *Trunk* convolutions are those around which no elementwise op closes at all: they lie neither on a side of an addition nor beside a
 * gate. All deeper gradients that do not go around them by concatenation pass them: FishNet's score convolutions, stems, classifiers.
 *
 * @param network a network, or one graph of it: what `build` returned, with the image it was built on
 */
export function convolutionRoles(network: Network | { readonly built: BlockResult; readonly image: Value }): ConvolutionRoles {
  const { built, image } = 'built' in network ? network : build(network);
  const structure = new Structure(image, built.output);
  return rolesIn(structure, findSums(structure), new Names(structure, built.taps));
}

function build(network: Network): { readonly built: BlockResult; readonly image: Value } {
  const image = input('image', [1, ...network.input]);
  return { built: network.build(image), image };
}

/** {@link convolutionRoles}, for whoever has taken the graph apart already. */
export function rolesIn(structure: Structure, sums: readonly Sum[], names: Names): ConvolutionRoles {
  const isolated = new Map<Node, IsolatedConvolution>();
  const bypassed = new Set(sums.filter(hasIdentityPath).flatMap(({ sides }) => sides.flatMap(({ nodes }) => nodes)));
  for (const sum of sums) {
    for (const node of unavoidable(sum)) {
      if (!bypassed.has(node) && !isolated.has(node)) isolated.set(node, { ...describe(node, names), block: names.of(sum.value) });
    }
  }
  const enclosed = enclosedConvolutions(structure);
  const trunk = structure.nodes.filter((node) => isConvolution(node) && !enclosed.has(node));
  const position = positions(structure, sums);
  return { isolated: [...isolated.values()], trunk: trunk.map((node) => ({ ...describe(node, names), position: position(node) })) };
}

/** The convolutions on the shortcut of an addition that every way there leads through. */
const unavoidable = ({ sides, from }: Sum): readonly Node[] =>
  sides
    .filter(({ role }) => role === 'shortcut')
    .flatMap((side) => side.nodes.filter((node) => isConvolution(node) && !hasWayAround(node, side, from)));

function hasWayAround(node: Node, { nodes, term }: Side, from: Value): boolean {
  const reached = new Set<Value>([from]);
  for (const each of nodes) {
    if (each !== node && each.inputs.some((value) => reached.has(value))) each.outputs.forEach((value) => reached.add(value));
  }
  return reached.has(term);
}

/** The convolutions that an op closes around: on the way from where its operands part to one of them. Concatenation keeps all it is given. */
function enclosedConvolutions(structure: Structure): ReadonlySet<Node> {
  const enclosed = new Set<Node>();
  for (const node of structure.nodes) {
    const operands = structure.operands(node);
    if (operands.length < 2 || node.op.name === concatOp.name) continue;
    const from = structure.meeting(operands);
    for (const operand of operands) {
      for (const inner of structure.between(from, operand)) if (isConvolution(inner)) enclosed.add(inner);
    }
  }
  return enclosed;
}

/** Where a node is among the additions: whether it reads one, and whether one reads it. */
function positions(structure: Structure, sums: readonly Sum[]): (node: Node) => TrunkConvolution['position'] {
  const additions = new Set(sums.map(({ value }) => value.node!));
  const after = new Set<Node>();
  const before = new Set<Node>();
  for (const node of structure.nodes) {
    if (node.inputs.some(({ node: from }) => from && (additions.has(from) || after.has(from)))) after.add(node);
  }
  for (const node of structure.nodes.toReversed()) {
    const readers = node.outputs.flatMap((value) => structure.consumers(value));
    if (readers.some((reader) => additions.has(reader) || before.has(reader))) before.add(node);
  }
  return (node) => (before.has(node) ? (after.has(node) ? 'between' : 'stem') : after.has(node) ? 'head' : 'plain');
}

function describe(node: Node, names: Names): NamedConvolution {
  const { window, stride } = node.attributes as Conv2dAttributes;
  return {
    name: names.of(node.outputs[0]!),
    window: [window.height, window.width],
    stride: [stride.height, stride.width],
    strided: node.op.name === conv2dOp.name && stride.height * stride.width > 1,
  };
}
