import { defined, planMemory, Value, Variable, type MemoryPlan, type Schedule, type Step } from '@shoal/core';
import { ALIGNMENT } from './allocator.ts';
import type { EmittedStep, Places } from './emit.ts';
import { bytesOf, ELEMENT_BYTES } from './layout.ts';

/** What a program needs beside the variables, and where in it everything is. Addresses follow once the blocks have theirs. */
export interface ProgramMemory {
  /** Intermediates, feeds and outputs of a run. */
  readonly arena: MemoryPlan;
  /** What the prelude computes and keeps. */
  readonly prelude: MemoryPlan;
  readonly constants: ReadonlyMap<Value, number>;
  readonly constantBytes: number;
  /** Values that are written straight into a variable. */
  readonly direct: ReadonlyMap<Value, Variable>;
  readonly scratch: ReadonlyMap<Step, readonly ScratchPlace[]>;
}

interface ScratchPlace {
  readonly value: Value;
  readonly threadBytes: number;
}

/** @throws ShoalError `MEMORY` where a tensor is larger than offsets reach */
export function planProgram(
  schedule: Schedule,
  steps: readonly EmittedStep[],
  prelude: readonly EmittedStep[],
  threads: number,
): ProgramMemory {
  const scratch = new Map([...prelude, ...steps].map((emitted) => [emitted.step, scratchOf(emitted, threads)]));
  const withScratch = (emitted: readonly EmittedStep[]): readonly Step[] =>
    emitted.map(({ step }) => ({
      ...step,
      outputs: [...step.outputs, ...defined(scratch.get(step), 'scratch').map(({ value }) => value)],
    }));
  const direct = new Map(schedule.updates.flatMap(({ variable, value, direct: placed }) => (placed ? [[value, variable] as const] : [])));
  const roots = [...schedule.outputs.map(([, value]) => schedule.stored(value)), ...schedule.updates.map(({ value }) => value)];
  const read = new Set([...schedule.steps.flatMap((step) => step.reads), ...roots]);
  const fixed = new Set(schedule.prelude.flatMap((step) => step.outputs.filter((value) => value !== null)));
  const isState = (value: Value): boolean => value instanceof Variable || value.origin.kind === 'constant';
  const { constants, constantBytes } = placeConstants(new Set([...read, ...schedule.prelude.flatMap((step) => step.reads)]));
  return {
    arena: planMemory({
      steps: withScratch(steps),
      bytesOf,
      alignment: ALIGNMENT,
      before: [...read].filter((value) => value.origin.kind === 'input'),
      after: roots,
      elsewhere: (value) => isState(value) || fixed.has(value) || direct.has(value),
      // Alone, a thread waits for nobody.
      ...(threads > 1 ? { direct } : {}),
    }),
    prelude: planMemory({
      steps: withScratch(prelude),
      bytesOf,
      alignment: ALIGNMENT,
      after: [...fixed].filter((value) => read.has(value)),
      elsewhere: isState,
    }),
    constants,
    constantBytes,
    direct,
    scratch,
  };
}

/** The start of each block, and of each variable. */
export interface Bases {
  readonly arena: number;
  readonly prelude: number;
  readonly constants: number;
  readonly counters: number;
  readonly variable: (variable: Variable) => number;
}

export function placesOf(memory: ProgramMemory, bases: Bases): Places {
  const addressOf = (value: Value): number => {
    const variable = value instanceof Variable ? value : memory.direct.get(value);
    if (variable) return bases.variable(variable);
    const constant = memory.constants.get(value);
    if (constant !== undefined) return bases.constants + constant;
    const fixed = memory.prelude.placements.get(value);
    return fixed ? bases.prelude + fixed.offset : bases.arena + defined(memory.arena.placements.get(value), 'a placement').offset;
  };
  return {
    addressOf,
    counters: bases.counters,
    scratchOf: (step, index) => {
      const { value, threadBytes } = defined(memory.scratch.get(step)?.[index], 'scratch');
      return { address: addressOf(value), threadBytes };
    },
  };
}

/** Scratch is planned as a tensor that the step writes and nobody reads. */
function scratchOf({ scratch }: EmittedStep, threads: number): readonly ScratchPlace[] {
  return scratch.map(({ bytes, perThread }) => {
    const rounded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const elements = (rounded / ELEMENT_BYTES) * (perThread ? threads : 1);
    return {
      value: new Value({ shape: [elements], dtype: 'f32' }, { kind: 'input', name: 'scratch' }),
      threadBytes: perThread ? rounded : 0,
    };
  });
}

function placeConstants(values: ReadonlySet<Value>): Pick<ProgramMemory, 'constants' | 'constantBytes'> {
  const constants = new Map<Value, number>();
  let constantBytes = 0;
  for (const value of values) {
    if (value.origin.kind !== 'constant') continue;
    constants.set(value, constantBytes);
    constantBytes += Math.ceil(bytesOf(value) / ALIGNMENT) * ALIGNMENT;
  }
  return { constants, constantBytes };
}
