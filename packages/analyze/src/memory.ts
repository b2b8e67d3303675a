import { Variable, rootsOf, sizeOf, topological, type Node, type Program, type Runtime, type Value } from '@shoal/core';

/** Ops whose output is their input under another shape or name. */
const views: ReadonlySet<string> = new Set(['core/reshape', 'core/stop-gradient']);

/** Bytes of one element, of every dtype. */
const elementBytes = 4;

/**
 * The least memory that a program's tensors need when its nodes run one after the other in the order in which the outputs ask for
 * them: the largest sum of bytes alive at one node, unpadded and in float32.
 *
 * Counted are the inputs fed, until their last reader; every intermediate tensor, from the node that makes it to its last reader; and
 * outputs and new values of variables, to the end. A node's inputs and outputs exist together, even where an elementwise op could
 * write over its input: nothing is fused. A reshape is no tensor of its own. Not counted are variables and constants, what is computed
 * from those alone (unless the program updates them), outputs of a node that nobody reads, and whatever scratch a kernel wants.
 */
export function livenessPeak(program: Program): number {
  const roots = rootsOf(program);
  const nodes = topological(roots);
  const storage = new Map<Value, Value>();
  const stored = (value: Value): Value => storage.get(value) ?? value;
  for (const { op, inputs, outputs } of nodes) if (views.has(op.name)) storage.set(outputs[0]!, stored(inputs[0]!));
  const counted = changing(program, nodes);

  const lastUse = new Map<Value, number>();
  nodes.forEach(({ inputs }, at) => inputs.forEach((value) => lastUse.set(stored(value), at)));
  roots.forEach((value) => lastUse.set(stored(value), nodes.length));

  const dying = new Map<number, Value[]>();
  for (const [value, at] of lastUse) if (counted(value)) dying.set(at, [...(dying.get(at) ?? []), value]);
  const bytesOf = ({ shape }: Value): number => elementBytes * sizeOf(shape);

  let alive = [...lastUse.keys()].filter((value) => value.origin.kind === 'input').reduce((sum, value) => sum + bytesOf(value), 0);
  let peak = alive;
  nodes.forEach((node, at) => {
    for (const output of node.outputs) if (stored(output) === output && lastUse.has(output) && counted(output)) alive += bytesOf(output);
    peak = Math.max(peak, alive);
    for (const value of dying.get(at) ?? []) alive -= bytesOf(value);
  });
  return peak;
}

/** Whether a value is new in every run: it depends on an input or an updated variable, or is made from nothing. */
function changing({ updates = [] }: Program, nodes: readonly Node[]): (value: Value) => boolean {
  const updated = new Set<Value>(updates.map(([variable]) => variable));
  const fixed = new Set<Value>();
  const isFixed = (value: Value): boolean =>
    fixed.has(value) || value.origin.kind === 'constant' || (value instanceof Variable && !updated.has(value));
  for (const { inputs, outputs } of nodes) if (inputs.length > 0 && inputs.every(isFixed)) outputs.forEach((output) => fixed.add(output));
  return (value) => !(value instanceof Variable) && !isFixed(value);
}

/**
 * The arena that a runtime allocates for a program, in bytes: all tensors of a run in the backend's own layout, placed by the memory
 * planner after fusion, with scratch and alignment. Runs nothing.
 */
export async function plannedBytes(runtime: Runtime, program: Program): Promise<number> {
  return (await runtime.plan(program)).arenaBytes;
}
