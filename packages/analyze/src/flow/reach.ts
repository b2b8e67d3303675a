import {
  expression as e,
  fill,
  gradients,
  map,
  mapOp,
  sameShape,
  sizeOf,
  type MapAttributes,
  type Node,
  type Shape,
  type Value,
} from '@shoal/core';
import { conv2dOp, type Conv2dAttributes } from '@shoal/conv';
import { averagePool, maxPool, windowCells, type PoolAttributes } from '@shoal/pool';
import { upsampleBilinearOp, upsampleNearestOp } from '@shoal/residual';
import { areDisjoint } from './edges.ts';
import type { Names } from './names.ts';
import type { Structure } from './structure.ts';

export type ReachKind = 'convolution' | 'max-pool' | 'average-pool' | 'upsampling' | 'activation';

/** How much of its input a layer sends gradient to, if every element of its output receives some. */
export interface LayerReach {
  readonly name: string;
  readonly kind: ReachKind;
  /** The fraction of elements of the input, where geometry alone decides it. */
  readonly exact: number | null;
  /** 1 at each element of the input that gradient reaches, else 0; to be computed where nothing is exact. */
  readonly reached: () => Value;
}

const kinds: ReadonlyMap<string, ReachKind> = new Map([
  [conv2dOp.name, 'convolution'],
  [maxPool.name, 'max-pool'],
  [averagePool.name, 'average-pool'],
  [upsampleNearestOp.name, 'upsampling'],
  [upsampleBilinearOp.name, 'upsampling'],
]);

/** The layers of a network that can leave elements of their input without gradient, inputs before users. */
export function findReach(structure: Structure, names: Names): readonly LayerReach[] {
  return structure.nodes.flatMap((node): readonly LayerReach[] => {
    const kind = kinds.get(node.op.name) ?? (isActivation(structure, node) ? 'activation' : undefined);
    const [x, y] = [structure.operands(node)[0], node.outputs[0]!];
    if (kind === undefined || !x) return [];
    return [{ name: names.of(y), kind, exact: exactReach(kind, x.shape, node), reached: () => reachedBy(y, x) }];
  });
}

/** Elements to which the gradient of the sum of all outputs is not 0. */
function reachedBy(y: Value, x: Value): Value {
  const [gradient] = gradients(y, [x], { seed: fill(1, y.shape) });
  return map([gradient!], (g) => e.select(e.ne(g, 0), 1, 0));
}

/** An elementwise function of one operand whose slope depends on where the operand is: ReLU, and what is like it. */
function isActivation(structure: Structure, node: Node): boolean {
  if (node.op.name !== mapOp.name) return false;
  const [x, ...others] = structure.operands(node);
  if (!x || others.length > 0 || !sameShape(x.shape, node.outputs[0]!.shape)) return false;
  const slope = e.differentiate((node.attributes as MapAttributes).expression, node.inputs.indexOf(x));
  return e.linearize(slope).some(({ expression }) => expression.kind === 'select');
}

/**
 * A convolution reaches the cells that some window reads (1 in 4 for 1x1 with stride 2), and so does a mean. Of windows that share no
 * cell, each maximum reaches one. Anything else depends on the numbers.
 */
function exactReach(kind: ReachKind, input: Shape, node: Node): number | null {
  if (kind === 'activation' || kind === 'upsampling') return null;
  const output = node.outputs[0]!.shape;
  const { rows, columns } = windowCells(input, output, node.attributes as Conv2dAttributes | PoolAttributes);
  if (kind === 'max-pool') return areDisjoint(rows) && areDisjoint(columns) ? sizeOf(output) / sizeOf(input) : null;
  return (new Set(rows.flat()).size * new Set(columns.flat()).size) / (input[1]! * input[2]!);
}

/** A max pooling, and what says which of its windows are dead. */
export interface PoolWindows {
  readonly name: string;
  /** Windows in the whole batch, over all channels. */
  readonly count: number;
  /** Its output, at which a gradient arrives. */
  readonly output: Value;
  /** 1 where the whole window is inactive: it reads a ReLU, and none of its cells is above 0; null where it reads something else. */
  readonly inactive: Value | null;
}

const reluKey = e.expressionKey(e.max(e.operand(0), 0));

export function findPoolWindows(structure: Structure, names: Names): readonly PoolWindows[] {
  return structure.nodes
    .filter((node) => node.op.name === maxPool.name)
    .map((node) => {
      const [x, output] = [node.inputs[0]!, node.outputs[0]!];
      const readsRelu = x.node?.op.name === mapOp.name && e.expressionKey((x.node.attributes as MapAttributes).expression) === reluKey;
      const inactive = readsRelu ? map([output], (y) => e.select(e.le(y, 0), 1, 0)) : null;
      return { name: names.of(output), count: sizeOf(output.shape), output, inactive };
    });
}

/** Where no gradient arrives from behind. */
export const silent = (arriving: Value): Value => map([arriving], (g) => e.select(e.eq(g, 0), 1, 0));

/** Where either holds. */
export const either = (a: Value, b: Value): Value => map([a, b], (p, q) => e.max(p, q));
