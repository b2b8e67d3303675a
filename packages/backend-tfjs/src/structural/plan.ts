import { expression as e } from '@shoal/core';

/** Where a part of an expression is computed. */
export interface MapPlan {
  readonly instructions: readonly e.Instruction[];
  /** For each instruction: whether it is computed on the host. */
  readonly onHost: readonly boolean[];
  /** How many instructions on the engine read each; the result counts as read once. */
  readonly reads: readonly number[];
  /** Inputs whose numbers are needed on the host. */
  readonly hostInputs: readonly number[];
}

const plans = new WeakMap<e.Expression, MapPlan>();

/**
 * Divides an expression between engine and host. Integers are computed on the host, for engines do not agree on them: they, what they are
 * computed from, comparisons of them, and what is computed from nothing else. Everything in f32 that remains is the engine's.
 */
export function planMap(expression: e.Expression): MapPlan {
  const known = plans.get(expression);
  if (known) return known;
  const plan = makePlan(expression);
  plans.set(expression, plan);
  return plan;
}

function makePlan(expression: e.Expression): MapPlan {
  const instructions = e.linearize(expression);
  const isInteger = (i: number): boolean => ['i32', 'u32'].includes(instructions[i]!.expression.dtype);
  const result = instructions.length - 1;
  const onHost = instructions.map(
    ({ expression: { kind }, children }, i) => (isInteger(i) && (kind !== 'input' || i === result)) || children.some(isInteger),
  );
  // What the host computes, it computes from the leaves.
  for (let i = result; i >= 0; i--) {
    if (onHost[i]) instructions[i]!.children.forEach((child) => (onHost[child] = true));
  }
  // What comes from the host alone stays there.
  const constant = (i: number): boolean => instructions[i]!.expression.kind === 'constant';
  instructions.forEach(({ children }, i) => {
    if (children.some((child) => onHost[child]) && children.every((child) => onHost[child] || constant(child))) {
      onHost[i] = true;
      children.forEach((child) => (onHost[child] = true));
    }
  });
  const reads = instructions.map(() => 0);
  instructions.forEach(({ children }, i) => {
    if (!onHost[i]) children.forEach((child) => reads[child]!++);
  });
  reads[result]!++;
  const hostInputs = instructions.flatMap(({ expression: x }, i) => (x.kind === 'input' && onHost[i] ? [x.index] : []));
  return { instructions, onHost, reads, hostInputs };
}
