import type { Node, Value } from '@shoal/core';
import type { Tap } from '@shoal/residual';
import { isMovement, isReduce, isReshape, isScaling } from './kinds.ts';

/** Nodes that are one layer, and the tap that says so; null for nodes that nobody named as a layer. */
export interface Group {
  readonly nodes: readonly Node[];
  readonly tap: Tap | null;
}

/** The nodes from which `value` is computed, not beyond `inputs`; inputs before users. */
export function between(value: Value, inputs: readonly Value[], depends: (value: Value) => boolean): readonly Node[] {
  const ends = new Set(inputs);
  const found = new Set<Node>();
  const order: Node[] = [];
  const stack: { readonly node: Node; next: number }[] = [];
  const enter = (at: Value): void => {
    if (ends.has(at) || !depends(at) || !at.node || found.has(at.node)) return;
    found.add(at.node);
    stack.push({ node: at.node, next: 0 });
  };
  enter(value);
  while (stack.length > 0) {
    const frame = stack.at(-1)!;
    const next = frame.node.inputs[frame.next++];
    if (next) enter(next);
    else order.push(stack.pop()!.node);
  }
  return order;
}

/** Puts nodes that depend on the image into layers: those that a tap names, and of the rest what is one step to whoever wrote it. */
export function groupNodes(
  nodes: readonly Node[],
  taps: readonly Tap[],
  output: Value,
  depends: (value: Value) => boolean,
): readonly Group[] {
  const groups: Group[] = [];
  const claimed = new Set<Node>();
  const claim = (members: readonly Node[], tap: Tap | null): void => {
    members.forEach((node) => claimed.add(node));
    groups.push({ nodes: members, tap });
  };
  const reachable = new Set(nodes);
  for (const tap of taps) {
    if (tap.kind === undefined || tap.kind === 'block' || !tap.value.node || !reachable.has(tap.value.node)) continue;
    const members = between(tap.value, tap.inputs ?? [], depends).filter((node) => !claimed.has(node));
    if (members.length > 0) claim(members, tap);
  }
  const readers = new Map<Value, Node[]>();
  for (const node of nodes) for (const value of new Set(node.inputs)) readers.set(value, [...(readers.get(value) ?? []), node]);
  const visible = new Set([output, ...taps.map(({ value }) => value)]);
  for (const node of nodes) {
    if (claimed.has(node)) continue;
    const members = [node];
    for (;;) {
      const value = members.at(-1)!.outputs[0]!;
      const [reader, ...others] = readers.get(value) ?? [];
      if (!reader || others.length > 0 || visible.has(value) || claimed.has(reader) || !belongsTo(members, reader)) break;
      members.push(reader);
    }
    claim(members, null);
  }
  return groups;
}

/** Whether a node goes on with what an unnamed layer began: moving elements about, a sum over a reshaped tensor, the scaling of a mean. */
function belongsTo(members: readonly Node[], next: Node): boolean {
  const last = members.at(-1)!;
  if (!members.some(isReduce)) return members.every(isMovement) && (isMovement(next) || (members.every(isReshape) && isReduce(next)));
  return (isReduce(last) && isReshape(next)) || ((isReduce(last) || isReshape(last)) && isScaling(next));
}
