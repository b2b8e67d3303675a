import * as e from '../expression/index.ts';
import type { Expression } from '../expression/index.ts';
import { topological, Variable, type Node, type Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { mapOp, type MapAttributes } from '../ops/map.ts';
import { reshapeOp } from '../ops/reshape.ts';
import { rootsOf, type Program } from '../program.ts';
import { sameShape, sizeOf, type Shape } from '../tensor.ts';
import { countUses } from './rewrite.ts';

/** An elementwise expression over tensors of one shape, per-channel vectors and scalars, done inside a kernel. */
export interface FusedExpression {
  readonly expression: Expression;
  /** What the expression's inputs read. In an epilogue input 0 is the kernel's own result and `values[0]` is null. */
  readonly values: readonly (Value | null)[];
  /** The shape the expression is evaluated over: the input's for a load, the output's for an epilogue. */
  readonly shape: Shape;
}

/** One kernel launch. */
export interface Step {
  readonly node: Node;
  /** The maps that the kernel does as well: those that it evaluates while loading, then that of the epilogue. */
  readonly fused: readonly Node[];
  /** For each input of the node: the stored tensor, or null where `loads` has an expression instead. */
  readonly inputs: readonly (Value | null)[];
  readonly loads: readonly (FusedExpression | null)[];
  /** What is written; null where nobody reads it. With an epilogue, output 0 is the epilogue's value. */
  readonly outputs: readonly (Value | null)[];
  readonly epilogue: FusedExpression | null;
  /** The distinct stored tensors the step reads. */
  readonly reads: readonly Value[];
}

/** A program as a sequence of steps over stored tensors. */
export interface Schedule {
  /** Depends on nothing that changes within a run: done again only when one of `staticVariables` has changed. */
  readonly prelude: readonly Step[];
  readonly steps: readonly Step[];
  readonly staticVariables: readonly Variable[];
  readonly outputs: readonly (readonly [name: string, value: Value])[];
  /** `direct`: the step that computes the value may write straight into the variable; otherwise it is copied after the last step. */
  readonly updates: readonly { readonly variable: Variable; readonly value: Value; readonly direct: boolean }[];
  /** The stored tensor behind a value: reshapes share the storage of what they reshape. */
  readonly stored: (value: Value) => Value;
}

/** Turns a program into steps: fuses maps into the kernels that can take them, drops reshapes, separates what is static. */
export function schedule(program: Program, kernelFor: (node: Node) => Kernel): Schedule {
  const roots = rootsOf(program);
  const nodes = topological(roots);
  const uses = countUses(program);
  const aliases = new Map<Value, Value>();
  const stored = (value: Value): Value => aliases.get(value) ?? value;
  for (const node of nodes) if (node.op.name === reshapeOp.name) aliases.set(node.outputs[0]!, stored(node.inputs[0]!));

  const epilogues = findEpilogues(nodes, uses, kernelFor);
  const loads = findLoads(nodes, uses, kernelFor, epilogues);
  const absorbed = new Set([...epilogues.values(), ...[...loads.values()].flatMap((list) => list.filter((map) => map !== null))]);

  const producers = new Map([...epilogues].map(([producer, map]) => [map, producer]));
  const steps: Step[] = [];
  for (const node of nodes) {
    if (node.op.name === reshapeOp.name || epilogues.has(node)) continue;
    // A kernel with an epilogue runs where its map stood: only there everything the map reads is ready.
    const producer = producers.get(node);
    if (producer) steps.push(makeStep(producer, node, loads.get(producer), uses, stored));
    else if (!absorbed.has(node)) steps.push(makeStep(node, null, loads.get(node), uses, stored));
  }
  const separated = separateStatic(steps, program);
  return { ...separated, outputs: Object.entries(program.outputs), updates: placeUpdates(program, separated.steps, stored), stored };
}

/** Full-size tensors, per-channel vectors along the last axis, and scalars: what kernels can read beside their own result. */
function readsAlongside(value: Value, shape: Shape): boolean {
  const size = sizeOf(value.shape);
  const channels = shape[shape.length - 1];
  return (
    sameShape(value.shape, shape) ||
    size === 1 ||
    (size === channels && value.shape[value.shape.length - 1] === channels && value.shape.length <= shape.length)
  );
}

function fusible(map: Node, through: Value): boolean {
  const { expression, shape } = map.attributes as MapAttributes;
  return (
    map.op.name === mapOp.name &&
    expression.dtype === through.dtype &&
    sameShape(through.shape, shape) &&
    !e.usesCoordinates(expression) &&
    map.inputs.every((value) => readsAlongside(value, shape))
  );
}

/** For each kernel that takes an epilogue, the map it takes. */
function findEpilogues(
  nodes: readonly Node[],
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
): ReadonlyMap<Node, Node> {
  const found = new Map<Node, Node>();
  for (const map of nodes) {
    if (map.op.name !== mapOp.name) continue;
    const value = map.inputs.find((candidate) => {
      const producer = candidate.node;
      return (
        producer &&
        producer.op.name !== mapOp.name &&
        producer.op.name !== reshapeOp.name &&
        candidate === producer.outputs[0] &&
        kernelFor(producer).fusion?.epilogue === true &&
        uses.get(candidate) === 1 &&
        producer.outputs.slice(1).every((other) => !uses.has(other)) &&
        fusible(map, candidate)
      );
    });
    if (value?.node && !found.has(value.node)) found.set(value.node, map);
  }
  return found;
}

/** For each kernel that can evaluate expressions while loading, the maps it takes, by input. */
function findLoads(
  nodes: readonly Node[],
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
  epilogues: ReadonlyMap<Node, Node>,
): ReadonlyMap<Node, readonly (Node | null)[]> {
  const taken = new Set(epilogues.values());
  const found = new Map<Node, readonly (Node | null)[]>();
  for (const node of nodes) {
    if (node.op.name === reshapeOp.name) continue;
    const rules = kernelFor(node).fusion?.load;
    if (!rules) continue;
    const maps = node.inputs.map((value, index) => {
      const map = value.node;
      if (!rules[index] || map?.op.name !== mapOp.name || taken.has(map) || uses.get(value) !== 1 || !fusible(map, value)) return null;
      const { expression } = map.attributes as MapAttributes;
      const harmless =
        rules[index] === 'masked' ||
        [...e.inputsRead(expression)].some((i) => map.inputs[i]!.shape.length === value.shape.length && e.preservesZero(expression, i));
      if (map.inputs.length === 0 || !harmless) return null;
      taken.add(map);
      return map;
    });
    if (maps.some((map) => map !== null)) found.set(node, maps);
  }
  return found;
}

function makeStep(
  node: Node,
  map: Node | null,
  loadMaps: readonly (Node | null)[] | undefined,
  uses: ReadonlyMap<Value, number>,
  stored: (value: Value) => Value,
): Step {
  const loads = node.inputs.map((_, i): FusedExpression | null => {
    const load = loadMaps?.[i];
    return load ? { ...(load.attributes as MapAttributes), values: load.inputs.map(stored) } : null;
  });
  const inputs = node.inputs.map((value, i) => (loads[i] ? null : stored(value)));
  const epilogue = map ? epilogueOf(node.outputs[0]!, map, stored) : null;
  const outputs = node.outputs.map((value, i) => (i === 0 && map ? map.outputs[0]! : uses.has(value) ? value : null));
  const reads = [...inputs, ...loads.flatMap((load) => load?.values ?? []), ...(epilogue?.values ?? [])].filter((value) => value !== null);
  const fused = [...(loadMaps ?? []), map].filter((each) => each !== null);
  return { node, fused, inputs, loads, outputs, epilogue, reads: [...new Set(reads)] };
}

/** Renumbers the map's inputs so that the kernel's result is input 0. */
function epilogueOf(result: Value, map: Node, stored: (value: Value) => Value): FusedExpression {
  const { expression, shape } = map.attributes as MapAttributes;
  const others = map.inputs.filter((value) => value !== result);
  const renumbered = e.rewrite(expression, (x) => (x.kind === 'input' ? e.operand(others.indexOf(map.inputs[x.index]!) + 1, x.dtype) : x));
  return { expression: renumbered, values: [null, ...others.map(stored)], shape };
}

function separateStatic(steps: readonly Step[], program: Program): Pick<Schedule, 'prelude' | 'steps' | 'staticVariables'> {
  const updated = new Set((program.updates ?? []).map(([variable]) => variable));
  const fixed = new Set<Value>();
  const variables = new Set<Variable>();
  const isFixed = (value: Value): boolean =>
    fixed.has(value) || value.origin.kind === 'constant' || (value instanceof Variable && !updated.has(value));
  const prelude: Step[] = [];
  const rest: Step[] = [];
  for (const step of steps) {
    if (step.reads.length === 0 || !step.reads.every(isFixed)) {
      rest.push(step);
      continue;
    }
    prelude.push(step);
    step.outputs.forEach((output) => output && fixed.add(output));
    step.reads.forEach((value) => value instanceof Variable && variables.add(value));
  }
  return { prelude, steps: rest, staticVariables: [...variables] };
}

/**
 * A variable may be overwritten in place when nothing later reads its old value, and the step that computes the new one
 * reads each old element no later than it writes it (a map of the same shape), or not at all. What the prelude computes is
 * copied: it is not computed again in every run.
 */
function placeUpdates(program: Program, steps: readonly Step[], stored: (value: Value) => Value): Schedule['updates'] {
  const kept = new Set(rootsOf(program).map(stored));
  const claimed = new Set<Value>();
  return (program.updates ?? []).map(([variable, target]) => {
    const value = stored(target);
    const at = steps.findIndex((step) => step.outputs.includes(value));
    const step = steps[at];
    const elementwise = step?.node.op.name === mapOp.name && sameShape(value.shape, variable.shape);
    const direct =
      step !== undefined &&
      value === target &&
      !claimed.has(value) &&
      !kept.has(variable) &&
      (elementwise || !step.reads.includes(variable)) &&
      !steps.slice(at + 1).some((later) => later.reads.includes(variable));
    if (direct) claimed.add(value);
    return { variable, value, direct };
  });
}
