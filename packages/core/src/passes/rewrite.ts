import { apply, buildFor, leavesOf, topological, Variable, type AnyOp, type Node, type Op, type Value } from '../graph.ts';
import { rootsOf, type Program } from '../program.ts';

/** What becomes of a node once its inputs are rewritten: other outputs, or null to keep it. */
export type Visit = (node: Node, inputs: readonly Value[]) => readonly Value[] | null;

/** Applies an op whose attributes were stored without their type. */
export function reapply(op: AnyOp, inputs: readonly Value[], attributes: object): readonly Value[] {
  return apply(op as unknown as Op<object>, inputs, attributes);
}

/** Rebuilds a program from its leaves up. Nodes that nothing needs any more are gone from the result: dead code goes by itself. */
export function rewriteProgram(program: Program, visit: Visit): Program {
  const replaced = new Map<Value, Value>();
  const now = (value: Value): Value => replaced.get(value) ?? value;
  for (const node of topological(rootsOf(program))) {
    const inputs = node.inputs.map(now);
    const same = inputs.every((value, i) => value === node.inputs[i]);
    const outputs = buildFor([node], () => visit(node, inputs) ?? (same ? node.outputs : reapply(node.op, inputs, node.attributes)));
    node.outputs.forEach((output, i) => {
      if (outputs[i] && outputs[i] !== output) replaced.set(output, outputs[i]);
    });
  }
  return {
    outputs: Object.fromEntries(Object.entries(program.outputs).map(([name, value]) => [name, now(value)])),
    updates: (program.updates ?? []).map(([variable, value]) => [variable, now(value)] as const),
  };
}

/** How many times each value is read, by nodes and as a root. */
export function countUses(program: Program): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  const note = (value: Value): void => void uses.set(value, (uses.get(value) ?? 0) + 1);
  const roots = rootsOf(program);
  topological(roots).forEach((node) => node.inputs.forEach(note));
  roots.forEach(note);
  return uses;
}

export const updatedVariables = (program: Program): ReadonlySet<Variable> => new Set((program.updates ?? []).map(([variable]) => variable));

/** Whether a value depends on constants and variables alone, none of them updated. */
export function isStatic(value: Value, updated: ReadonlySet<Variable>): boolean {
  return leavesOf([value]).every((leaf) => leaf.origin.kind === 'constant' || (leaf instanceof Variable && !updated.has(leaf)));
}
