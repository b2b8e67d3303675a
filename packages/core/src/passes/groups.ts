import * as e from '../expression/index.ts';
import { topological, type Node, type Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { mapOp, type MapAttributes } from '../ops/map.ts';
import { rootsOf, type Program } from '../program.ts';
import { sameShape, sizeOf } from '../tensor.ts';
import type { FusedExpression } from './schedule.ts';

/** An input of a map, computed by the map's own step; `result` is what that step writes out as well. */
export interface GroupLoad extends FusedExpression {
  readonly values: readonly Value[];
  readonly result: Value | null;
}

/** Maps of one shape done in one step: the leader's, with the others as its loads. */
export interface Group {
  readonly loads: readonly (GroupLoad | null)[];
  readonly members: ReadonlySet<Node>;
}

/**
 * Lets a map that makes a new value of a variable compute new values of others that it reads: the parameter, its velocity or moments, and
 * what lies between them. One step then reads and writes each of these once. Nobody outside of a group reads any of it, so that nothing
 * can wait for a part of it.
 */
export function findGroups(
  program: Program,
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
  taken: ReadonlySet<Node>,
): ReadonlyMap<Node, Group> {
  const roots = rootsOf(program);
  const asRoot = new Map<Value, number>();
  for (const root of roots) asRoot.set(root, (asRoot.get(root) ?? 0) + 1);
  const found = new Map<Node, Group>();
  const done = new Set(taken);
  for (const leader of topological(roots).toReversed()) {
    if (done.has(leader) || !isPlain(leader) || !asRoot.has(leader.outputs[0]!) || kernelFor(leader).fusion?.keepsLoads !== true) continue;
    const members = membersOf(leader, uses, asRoot, done);
    if (members.size === 1) continue;
    const loads = leader.inputs.map((value): GroupLoad | null => {
      if (!value.node || !members.has(value.node)) return null;
      const values: Value[] = [];
      const expression = inlined(value, members, values);
      return { expression, values, shape: value.shape, result: asRoot.has(value) ? value : null };
    });
    members.forEach((member) => done.add(member));
    found.set(leader, { loads, members });
  }
  return found;
}

/** A map whose operands have its size or one element: each position is computed from the same position, whatever the axes. */
function isPlain({ op, inputs, attributes }: Node): boolean {
  if (op.name !== mapOp.name) return false;
  const { expression, shape } = attributes as MapAttributes;
  const fits = (value: Value): boolean => sameShape(value.shape, shape) || sizeOf(value.shape) === 1;
  return !e.usesCoordinates(expression) && inputs.every(fits);
}

/** The leader, and the maps that only members read: new values of variables where the leader itself reads them, others anywhere. */
function membersOf(
  leader: Node,
  uses: ReadonlyMap<Value, number>,
  asRoot: ReadonlyMap<Value, number>,
  done: ReadonlySet<Node>,
): ReadonlySet<Node> {
  const { shape } = leader.attributes as MapAttributes;
  const members = new Set([leader]);
  const inside = new Map<Value, number>();
  const count = ({ inputs }: Node): void => inputs.forEach((value) => inside.set(value, (inside.get(value) ?? 0) + 1));
  count(leader);
  for (let grown = true; grown;) {
    grown = false;
    for (const [value, readers] of inside) {
      const { node } = value;
      if (!node || members.has(node) || done.has(node) || !isPlain(node) || !sameShape(value.shape, shape)) continue;
      const written = asRoot.get(value) ?? 0;
      if (readers + written !== uses.get(value) || written > 1 || (written === 1 && !leader.inputs.includes(value))) continue;
      members.add(node);
      count(node);
      grown = true;
    }
  }
  return members;
}

/** The expression of a member over what lies outside of the group, which is added to `values`. */
function inlined(value: Value, members: ReadonlySet<Node>, values: Value[]): e.Expression {
  const memo = new Map<Value, e.Expression>();
  const expressionOf = (of: Value): e.Expression => {
    const known = memo.get(of);
    if (known) return known;
    const result = of.node && members.has(of.node) ? replaced(of.node) : e.operand(indexOf(values, of), of.dtype);
    memo.set(of, result);
    return result;
  };
  const replaced = ({ inputs, attributes }: Node): e.Expression =>
    e.substitute((attributes as MapAttributes).expression, (index) => expressionOf(inputs[index]!));
  return expressionOf(value);
}

function indexOf(values: Value[], value: Value): number {
  const known = values.indexOf(value);
  return known >= 0 ? known : values.push(value) - 1;
}
