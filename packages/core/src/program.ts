import { ShapeError, ShoalError } from './errors.ts';
import type { Value } from './graph.ts';
import { leavesOf, Variable } from './graph.ts';
import { formatShape, sameShape } from './tensor.ts';

/**
 * What is computed together: named outputs, and new values of variables. All reads see the old value of a variable;
 * the updates apply together at the end of the run.
 */
export interface Program {
  readonly outputs: Readonly<Record<string, Value>>;
  readonly updates?: readonly (readonly [variable: Variable, value: Value])[];
}

/** Everything a program must compute, outputs first. */
export function rootsOf(program: Program): readonly Value[] {
  return [...Object.values(program.outputs), ...(program.updates ?? []).map(([, value]) => value)];
}

export interface Interface {
  readonly inputs: ReadonlyMap<string, Value>;
  /** Variables read or written. */
  readonly variables: readonly Variable[];
}

/**
 * The inputs by name and the variables of a program.
 *
 * @throws ShoalError `GRAPH` when two inputs share a name, or a variable is updated twice; ShapeError when an update does not fit
 */
export function interfaceOf(program: Program): Interface {
  const inputs = new Map<string, Value>();
  const variables = new Set<Variable>();
  for (const leaf of leavesOf(rootsOf(program))) {
    if (leaf instanceof Variable) variables.add(leaf);
    if (leaf.origin.kind !== 'input') continue;
    const { name } = leaf.origin;
    if (inputs.has(name))
      throw new ShoalError('GRAPH', { op: 'program', fact: `two inputs are named '${name}'`, next: 'Give each input its own name' });
    inputs.set(name, leaf);
  }
  const updated = new Set<Variable>();
  for (const [target, value] of program.updates ?? []) {
    if (updated.has(target))
      throw new ShoalError('GRAPH', { op: 'program', fact: `variable '${target.name}' is updated twice`, next: 'Combine the updates' });
    if (!sameShape(target.shape, value.shape) || target.dtype !== value.dtype) {
      throw new ShapeError({
        op: 'program',
        fact: `update of '${target.name}' is ${value.dtype} ${formatShape(value.shape)}, the variable ${target.dtype} ${formatShape(target.shape)}`,
        next: 'Update it with a value of its own type',
      });
    }
    updated.add(target);
    variables.add(target);
  }
  return { inputs, variables: [...variables] };
}
