import { leavesOf, sizeOf, Variable, type Schedule, type Step, type Value } from '@shoal/core';
import { copySpeed, type Limits } from './limits.ts';

/** What a few steps have to do at least. */
export interface Demand {
  readonly macs: number;
  /** Read once and written once by the steps together, unpadded float32; what passes between them is free. */
  readonly bytes: number;
}

export interface Floor {
  readonly ms: number;
  /** Which of the two takes longer; null where there is nothing to do. */
  readonly by: 'arithmetic' | 'memory' | null;
}

/** The roofline model (Williams, Waterman and Patterson, "Roofline", 2009): no less than the longer of arithmetic and traffic. */
export function floorOf({ macs, bytes }: Demand, limits: Limits): Floor {
  const [arithmetic, memory] = [(2 * macs) / limits.gflops / 1e6, bytes / copySpeed(limits, bytes) / 1e6];
  return { ms: Math.max(arithmetic, memory), by: macs === 0 && bytes === 0 ? null : arithmetic >= memory ? 'arithmetic' : 'memory' };
}

/** Counts what groups of steps of one schedule exchange with the rest. */
export function trafficCounter(schedule: Schedule): (steps: readonly Step[]) => number {
  const { stored } = schedule;
  const kept = new Set([...schedule.outputs.map(([, value]) => stored(value)), ...schedule.updates.map(({ value }) => value)]);
  const readers = new Map<Value, Step[]>();
  for (const step of schedule.steps) for (const value of step.reads) readers.set(value, [...(readers.get(value) ?? []), step]);
  const fixed = new Set(schedule.prelude.flatMap(({ outputs }) => outputs));
  // What was packed or folded ahead stands for the parameters it is made of: how they are packed is the kernel's choice.
  const origins = (value: Value): readonly Value[] =>
    fixed.has(value) ? leavesOf([value]).filter((leaf) => leaf instanceof Variable) : [value];
  return (steps) => {
    const own = new Set(steps);
    const written = steps.flatMap(({ outputs }) => outputs.filter((value) => value !== null));
    const inner = new Set(written);
    const read = new Set(steps.flatMap(({ reads }) => reads.filter((value) => !inner.has(value)).flatMap(origins)));
    const leaving = written.filter((value) => kept.has(value) || (readers.get(value) ?? []).some((step) => !own.has(step)));
    return [...read, ...leaving].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  };
}
