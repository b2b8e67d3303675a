import {
  addCosts,
  costOf,
  gradients,
  input,
  interfaceOf,
  rewriteProgram,
  sizeOf,
  topological,
  Variable,
  leavesOf,
  type Cost,
  type Program,
  type TensorData,
  type Value,
} from '@shoal/core';

/** One answer to the question: a small network that makes a feature map smaller. */
export interface Arm {
  readonly question: Question;
  /** Which comparison within the question the arm belongs to: the geometry, or the picture. */
  readonly group: string;
  readonly name: string;
  readonly x: Value;
  readonly y: Value;
  readonly data: () => TensorData;
}

export type Question = 'one layer' | 'one network';
export type Phase = 'fwd' | 'bwd';

/** Programs of both phases. Backward reads what forward saved, as training does, and computes none of it again. */
export interface PhasePrograms {
  readonly forward: Program;
  readonly backward: Program;
  /** Forward, with everything that backward wants to be fed. */
  readonly saving: Program;
}

export function parametersOf({ y }: Arm): readonly Variable[] {
  return leavesOf([y]).filter((leaf) => leaf instanceof Variable);
}

/** A layer's backward pass gives the gradients to its input and its weights; a stem's input is the picture, which needs none. */
export function phasePrograms(arm: Arm): PhasePrograms {
  const wrt = [...(arm.question === 'one layer' ? [arm.x] : []), ...parametersOf(arm)];
  const found = gradients(arm.y, wrt, { seed: input('dy', arm.y.shape) });
  const outputs = Object.fromEntries(found.map((gradient, i) => [`gradient${i}`, gradient]));
  const forward = topological([arm.y]);
  const saved = new Map(
    forward.flatMap(({ outputs: values }) => values).map((value, i) => [value, input(`saved${i}`, value.shape, value.dtype)]),
  );
  const onForward = new Set(forward);
  const backward = rewriteProgram({ outputs }, (node) => (onForward.has(node) ? node.outputs.map((value) => saved.get(value)!) : null));
  const { inputs } = interfaceOf(backward);
  const saving = Object.fromEntries(
    [...saved].flatMap(([value, feed]) => ([...inputs.values()].includes(feed) ? [[nameOf(feed), value]] : [])),
  );
  return { forward: { outputs: { y: arm.y } }, backward, saving: { outputs: saving } };
}

const nameOf = (value: Value): string => (value.origin.kind === 'input' ? value.origin.name : '');

export function parameterCount(arm: Arm): number {
  return parametersOf(arm).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Cost of all ops of a program. Outputs that nobody reads, such as winners at inference, are not written and move no bytes. */
export function programCost(program: Program): Cost {
  const roots = Object.values(program.outputs);
  const nodes = topological(roots);
  const read = new Set([...roots, ...nodes.flatMap(({ inputs }) => inputs)]);
  const unwritten = nodes.flatMap(({ outputs }) => outputs.filter((value) => !read.has(value)));
  const total = addCosts(...nodes.map(costOf));
  return { ...total, bytes: total.bytes - unwritten.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0) };
}
