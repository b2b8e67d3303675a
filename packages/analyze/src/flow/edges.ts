import { expression as e, gradients, map, reduceOp, reshapeOp, sizeOf, type Node, type ReduceAttributes, type Value } from '@shoal/core';
import { averagePool, maxPool, windowCells, type AveragePoolAttributes, type PoolAttributes } from '@shoal/pool';
import { upsampleBilinearOp, upsampleNearestOp } from '@shoal/residual';
import type { Names } from './names.ts';
import { isConvolution, type Structure } from './structure.ts';
import type { Side, Sum } from './sums.ts';

/**
 * What a gradient passes on the way from the output of a block to its input:
 * - of an addition, one side alone: the `identity`, a `group-sum` of channels, a `shortcut` of other ops without weights, a
 *   `convolution-shortcut` with all that is around the convolution, or a `branch`; and all sides together, the `block`;
 * - one op that changes the size of the map: `max-pool`, `average-pool`, `upsampling`.
 */
export type EdgeKind =
  | 'identity'
  | 'group-sum'
  | 'shortcut'
  | 'convolution-shortcut'
  | 'branch'
  | 'block'
  | 'max-pool'
  | 'average-pool'
  | 'upsampling';

/** One way for gradients, from `to` back to `from`. */
export interface Edge {
  /** The block or layer, by its name. */
  readonly name: string;
  readonly kind: EdgeKind;
  /** The convolutions of a side, by name; none elsewhere. */
  readonly convolutions: readonly string[];
  readonly from: Value;
  readonly to: Value;
  /** The ratio of the gradient's norm at `from` to that at `to`, where it is the same for all numbers. */
  readonly exact: number | null;
  /** The gradient at `from` that comes this way alone, as graph, given the whole gradient at `to`. */
  readonly back: (arriving: Value) => Value;
}

/** The edges of a network, inputs before users. */
export function findEdges(structure: Structure, sums: readonly Sum[], names: Names): readonly Edge[] {
  const bySum = new Map(sums.map((sum) => [sum.value.node!, sum]));
  return structure.nodes.flatMap((node) => {
    const sum = bySum.get(node);
    return sum ? edgesOfSum(sum, names) : edgeOfResizing(structure, node, names);
  });
}

function edgesOfSum(sum: Sum, names: Names): readonly Edge[] {
  const { value, from, sides } = sum;
  const common = { name: names.of(value), from, to: value };
  const ways = sides.map((side): Edge => {
    const kind = kindOf(side);
    return {
      ...common,
      kind,
      convolutions: side.nodes.filter(isConvolution).map((node) => names.of(node.outputs[0]!)),
      exact: exactGain(kind, side, from),
      back: (arriving) => along(side, from, arriving),
    };
  });
  return [
    ...ways,
    { ...common, kind: 'block', convolutions: [], exact: null, back: (arriving) => gradients(value, [from], { seed: arriving })[0]! },
  ];
}

/** Through one side of an addition: what reaches its term is `factor` times what arrives at the sum. */
function along({ term, factor }: Side, from: Value, arriving: Value): Value {
  const seed = factor === 1 ? arriving : map([arriving], (g) => e.mul(g, factor));
  return gradients(term, [from], { seed })[0]!;
}

function kindOf({ nodes, longest, role }: Side): EdgeKind {
  if (nodes.every((node) => node.op.name === reshapeOp.name)) return 'identity';
  if (nodes.every((node) => node.op.name === reshapeOp.name || isSum(node))) return 'group-sum';
  if (longest === 0) return 'shortcut';
  return role === 'shortcut' ? 'convolution-shortcut' : 'branch';
}

const isSum = (node: Node): boolean => node.op.name === reduceOp.name && (node.attributes as ReduceAttributes).kind === 'sum';

/** What is known of a side in advance. A sum sends its gradient back to each of the k elements that it added: sqrt(k) times the norm. */
function exactGain(kind: EdgeKind, { term, factor }: Side, from: Value): number | null {
  if (kind === 'identity') return Math.abs(factor);
  return kind === 'group-sum' ? Math.abs(factor) * Math.sqrt(sizeOf(from.shape) / sizeOf(term.shape)) : null;
}

function edgeOfResizing(structure: Structure, node: Node, names: Names): readonly Edge[] {
  const kind = resizing.get(node.op.name);
  const [from, to] = [structure.operands(node)[0], node.outputs[0]!];
  if (kind === undefined || !from) return [];
  const exact = kind === 'upsampling' ? null : poolGain(kind, from, node);
  return [
    { name: names.of(to), kind, convolutions: [], from, to, exact, back: (arriving) => gradients(to, [from], { seed: arriving })[0]! },
  ];
}

const resizing: ReadonlyMap<string, 'max-pool' | 'average-pool' | 'upsampling'> = new Map([
  [maxPool.name, 'max-pool'],
  [averagePool.name, 'average-pool'],
  [upsampleNearestOp.name, 'upsampling'],
  [upsampleBilinearOp.name, 'upsampling'],
]);

/**
 * Where no cell is in two windows, a maximum sends its gradient whole to one cell, and a mean over k cells sends 1/k to each: the
 * norm is kept, and divided by sqrt(k). Null where windows overlap, or their means are over unequally many cells.
 */
function poolGain(kind: 'max-pool' | 'average-pool', from: Value, node: Node): number | null {
  const attributes = node.attributes as PoolAttributes;
  const { rows, columns } = windowCells(from.shape, node.outputs[0]!.shape, attributes);
  if (!areDisjoint(rows) || !areDisjoint(columns)) return null;
  if (kind === 'max-pool') return 1;
  const [heights, widths] = [new Set(rows.map((cells) => cells.length)), new Set(columns.map((cells) => cells.length))];
  const isPadded = Object.values(attributes.padding).some((cells) => cells > 0);
  if (heights.size > 1 || widths.size > 1 || isPadded) return null;
  const cells = rows[0]!.length * columns[0]!.length;
  return (node.attributes as AveragePoolAttributes).divisor === 'one' ? Math.sqrt(cells) : 1 / Math.sqrt(cells);
}

/** Whether no cell is in two windows. */
export const areDisjoint = (windows: readonly (readonly number[])[]): boolean => new Set(windows.flat()).size === windows.flat().length;
