import * as e from '../expression/index.ts';
import type { Expression } from '../expression/index.ts';
import { topological, Variable, type Node, type Value } from '../graph.ts';
import { siteOf, type Kernel } from '../kernel.ts';
import { mapOp, type MapAttributes } from '../ops/map.ts';
import { rootsOf, type Program } from '../program.ts';
import { sameShape, sizeOf, type Shape } from '../tensor.ts';
import { findEpilogues, findLoads, isAlias } from './fusion.ts';
import { findGroups, type GroupLoad } from './groups.ts';
import { orderSteps, sortSteps } from './order.ts';
import { countUses } from './rewrite.ts';
import { findSlices, type Slice } from './slices.ts';

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
  /** What the kernel does as well: the maps that it evaluates while loading, that of the epilogue, the repetition of its cells, the concatenation that it is the first to write to. */
  readonly fused: readonly Node[];
  /** For each input of the node: the stored tensor, or null where `loads` has an expression instead. */
  readonly inputs: readonly (Value | null)[];
  readonly loads: readonly (FusedExpression | null)[];
  /** For each input the output to which its load is written as well, by number; null where it is not. */
  readonly kept: readonly (number | null)[];
  /** What is written; null where nobody reads it. With an epilogue, output 0 is the epilogue's value. Loads that are kept come last. */
  readonly outputs: readonly (Value | null)[];
  readonly epilogue: FusedExpression | null;
  /** Where in output 0 the step writes, if that is a concatenation that other steps write the rest of; null where it writes all of it. */
  readonly slice: Slice | null;
  /** The node that repeats the cells of output 0 (see `repeats` of a kernel), where the step does that too. */
  readonly repetition: Node | null;
  /** The distinct stored tensors the step reads. */
  readonly reads: readonly Value[];
  /** Stored tensors that must exist before the step runs though it does not read them. */
  readonly waitsFor: readonly Value[];
  /** Tensors among `reads` that output 0 may be written over, if nobody reads them afterwards. */
  readonly overwrites: readonly Value[];
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
  const tokens = new Map<Value, readonly Value[]>();
  for (const node of nodes) {
    if (!isAlias(node)) continue;
    const [own, ...others] = node.inputs as [Value, ...Value[]];
    aliases.set(node.outputs[0]!, stored(own));
    const awaited = [...(tokens.get(own) ?? []), ...others.flatMap((token) => [stored(token), ...(tokens.get(token) ?? [])])];
    if (awaited.length > 0) tokens.set(node.outputs[0]!, awaited);
  }

  const epilogues = findEpilogues(nodes, uses, kernelFor);
  const loads = findLoads(nodes, uses, kernelFor, epilogues);
  const fused = new Set([...epilogues.values(), ...[...loads.values()].flatMap((list) => list.filter((map) => map !== null))]);
  const groups = findGroups(program, uses, kernelFor, fused);
  const slices = findSlices(nodes, uses, kernelFor, { program, epilogues, fused });
  const absorbed = new Set([
    ...fused,
    ...slices.repeated.values(),
    ...[...groups].flatMap(([leader, { members }]) => [...members].filter((node) => node !== leader)),
  ]);

  const producers = new Map([...epilogues].map(([producer, map]) => [map, producer]));
  const positions = new Map<Step, Node>();
  for (const node of nodes) {
    if (isAlias(node) || epilogues.has(node) || slices.joined.has(node)) continue;
    // A kernel with an epilogue runs where its map stood: only there everything the map reads is ready.
    const producer = producers.get(node);
    if (absorbed.has(node) && !producer) continue;
    const kernel = producer ?? node;
    const group = groups.get(kernel);
    const loaded = group
      ? [...group.members].filter((member) => member !== kernel)
      : (loads.get(kernel) ?? []).filter((each) => each !== null);
    const slice = slices.of.get(kernel) ?? null;
    const repetition = slices.repeated.get(kernel) ?? null;
    const parts = {
      node: kernel,
      map: producer ? node : null,
      slice,
      repetition,
      fused: [...loaded, ...(producer ? [node] : []), ...(repetition ? [repetition] : []), ...(slice?.from === 0 ? [slice.concat] : [])],
      loads: group?.loads ?? loads.get(kernel)?.map(loadOf),
    };
    positions.set(makeStep(parts, kernelFor, uses, { stored, tokens }), node);
  }
  const { prelude, steps, staticVariables } = separateStatic(sortSteps([...positions.keys()]), program);
  const candidates = overwritable(program, steps, stored);
  const fixed = new Set(prelude.flatMap(({ outputs }) => outputs));
  const ordered = orderSteps({
    steps,
    ranks: [nodes, topological(roots.toReversed())].map((order) => {
      const ranks = new Map(order.map((node, rank) => [node, rank]));
      return (step) => ranks.get(positions.get(step)!)!;
    }),
    kept: new Set(roots.map(stored)),
    elsewhere: (value) => fixed.has(value),
    updates: candidates,
  });
  const updates = placeUpdates(program, ordered, candidates, stored);
  return { prelude, steps: ordered, staticVariables, outputs: Object.entries(program.outputs), updates, stored };
}

type Values = (Value | null)[];

interface StepParts {
  readonly node: Node;
  /** The map that the node's kernel takes as epilogue, and what it takes as loads. */
  readonly map: Node | null;
  readonly slice: Slice | null;
  readonly repetition: Node | null;
  readonly fused: readonly Node[];
  readonly loads: readonly (GroupLoad | null)[] | undefined;
}

const loadOf = (map: Node | null): GroupLoad | null => map && { ...(map.attributes as MapAttributes), values: map.inputs, result: null };

function makeStep(
  { node, map, slice, repetition, fused, loads: loadMaps }: StepParts,
  kernelFor: (node: Node) => Kernel,
  uses: ReadonlyMap<Value, number>,
  { stored, tokens }: { readonly stored: (value: Value) => Value; readonly tokens: ReadonlyMap<Value, readonly Value[]> },
): Step {
  const loads = node.inputs.map((_, i): FusedExpression | null => {
    const load = loadMaps?.[i];
    return load ? { expression: load.expression, shape: load.shape, values: load.values.map(stored) } : null;
  });
  const inputs = node.inputs.map((value, i) => (loads[i] ? null : stored(value)));
  const epilogue = map ? epilogueOf(node.outputs[0]!, map, stored) : null;
  const first = (slice?.concat ?? repetition ?? map)?.outputs[0];
  const outputs = node.outputs.map((value, i) => (i === 0 && first ? first : uses.has(value) ? value : null));
  const kept = node.inputs.map((_, i) => {
    const result = loadMaps?.[i]?.result;
    return result ? outputs.push(result) - 1 : null;
  });
  const operands = inputs.map((value, i) => loads[i]?.values ?? [value]);
  const { inputs: replaced = [], epilogue: replaces = false } = kernelFor(node).inPlace?.(siteOf(node)) ?? {};
  const asked = [...node.inputs, ...(loadMaps ?? []).flatMap((load) => load?.values ?? []), ...(map?.inputs ?? [])];
  const isReplaced = (i: number): boolean => replaced === 'all' || replaced.includes(i);
  const [own, others] = [true, false].map((wanted) => operands.filter((_, i) => isReplaced(i) === wanted).flat()) as [Values, Values];
  (replaces ? own : others).push(...(epilogue?.values ?? []));
  const isNeeded = (value: Value | null): value is Value => value !== null;
  return {
    node,
    fused,
    inputs,
    loads,
    kept,
    outputs,
    epilogue,
    slice,
    repetition,
    reads: [...new Set([...operands.flat(), ...(epilogue?.values ?? [])].filter(isNeeded))],
    waitsFor: [...new Set(asked.flatMap((value) => tokens.get(value) ?? []))],
    overwrites: [...new Set(own.filter(isNeeded))].filter(
      (value) => !others.includes(value) && !slice && !repetition && isAsLarge(value, node.outputs[0]!),
    ),
  };
}

const isAsLarge = (value: Value, output: Value): boolean => sizeOf(value.shape) === sizeOf(output.shape);

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
    if (step.slice || step.reads.length === 0 || !step.reads.every(isFixed)) {
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
 * Values that may be written straight into the variable they are for, by a step that reads each old element no later than it writes it, or
 * not at all. What the prelude computes is copied: it is not computed again in every run.
 */
function overwritable(program: Program, steps: readonly Step[], stored: (value: Value) => Value): ReadonlyMap<Value, Variable> {
  const kept = new Set(rootsOf(program).map(stored));
  const makers = new Map(steps.flatMap((step) => step.outputs.flatMap((output) => (output ? [[output, step] as const] : []))));
  const found = new Map<Value, Variable>();
  for (const [variable, value] of program.updates ?? []) {
    const step = makers.get(value);
    const elementwise = step?.node.op.name === mapOp.name && sameShape(value.shape, variable.shape);
    const reads = step?.reads.includes(variable) && !elementwise && !(step.outputs[0] === value && step.overwrites.includes(variable));
    if (step && !reads && !found.has(value) && !kept.has(variable)) found.set(value, variable);
  }
  return found;
}

/** They are, where nothing reads the old value later. */
function placeUpdates(
  program: Program,
  steps: readonly Step[],
  candidates: ReadonlyMap<Value, Variable>,
  stored: (value: Value) => Value,
): Schedule['updates'] {
  const lastReads = new Map(steps.flatMap((step, at) => step.reads.map((value) => [value, at] as const)));
  const made = new Map(steps.flatMap((step, at) => step.outputs.map((value) => [value, at] as const)));
  return (program.updates ?? []).map(([variable, target]) => {
    const value = stored(target);
    return { variable, value, direct: candidates.get(value) === variable && (lastReads.get(variable) ?? -1) <= made.get(value)! };
  });
}
