import {
  planMemory,
  ShoalError,
  sizeOf,
  throwIfAborted,
  Value,
  Variable,
  type DeviceProgram,
  type MemoryPlan,
  type Node,
  type RunRequest,
  type RunResult,
  type Schedule,
  type Step,
  type StepTime,
  type TensorData,
} from '@shoal/core';
import { assemble, type Assembled } from './assemble.ts';
import { assembleGeneric } from './generic/assemble.ts';
import { emitGenericStep } from './generic/emit.ts';
import { ProgramPlans, type ConvolutionCommand } from './convolution.ts';
import { emitStep, type EmittedLaunch, type EmittedStep } from './emit.ts';
import type { CudaKernel } from './kernel.ts';
import type { Address, Command, Machine, Sequence } from './machine.ts';
import { alignment, arrayFor, bytesOf, deviceArray, type Variables } from './memory.ts';

/** Most elements of one tensor: kernels count in int, some threads of the last block beyond the end. */
const maxElements = 2 ** 31 - 1024;

/** The commands of one step. */
interface Stage {
  readonly op: string;
  /** Absent for copies of variables. */
  readonly step?: Step;
  readonly commands: readonly Command[];
}

interface Compiled {
  readonly memory: MemoryPlan;
  readonly prelude: readonly Stage[];
  /** Copies of variables that other variables take over, before anything overwrites them. */
  readonly staging: Stage | null;
  readonly steps: readonly Stage[];
  /** Updates whose value was not computed in place. */
  readonly copies: readonly Command[];
  readonly placeOf: (value: Value) => Address;
  readonly allocations: readonly Address[];
  readonly plans: ProgramPlans;
}

/** Prepares everything that a run needs: memory, kernels, sequences of launches. */
export async function compileProgram(
  machine: Machine,
  variables: Variables,
  schedule: Schedule,
  kernelFor: (node: Node) => CudaKernel,
): Promise<DeviceProgram> {
  const plans = new ProgramPlans(machine.convolutions);
  const emit = (steps: readonly Step[]): EmittedStep[] =>
    steps.map((step) => {
      const kernel = kernelFor(step.node);
      return machine.generic ? emitGenericStep(step, kernel, plans.plan) : emitStep(step, kernel, machine.precision, plans.plan);
    });
  const allocations: Address[] = [];
  try {
    const [prelude, steps] = [emit(schedule.prelude), emit(schedule.steps)];
    checkSizes([...prelude, ...steps]);
    const { memory, placeOf, staged, copies } = placeTensors(machine, variables, schedule, prelude, steps, allocations);
    const assembleLaunch = machine.generic ? assembleGeneric : assemble;
    const assembled = [prelude, steps].map((emitted) =>
      emitted.map((each) => assembledOf(each, placeOf, (launch) => assembleLaunch(launch, placeOf))),
    );
    const kernels = assembled.flat(2).filter((each) => 'kernel' in each);
    await machine.load(kernels.map(({ kernel }) => kernel));
    const placeWords = wordsIn(machine, kernels, allocations);
    const [first, rest] = [prelude, steps].map((emitted, i) =>
      emitted.map(({ step }, k): Stage => ({
        op: step.node.op.name,
        step,
        commands: assembled[i]![k]!.map((each) => ('kernel' in each ? launchOf(each, placeWords) : each)),
      })),
    );
    const staging = staged.length > 0 ? { op: 'update', commands: staged } : null;
    return new CudaProgram(machine, { memory, prelude: first!, staging, steps: rest!, copies, placeOf, allocations, plans });
  } catch (cause) {
    allocations.forEach((address) => machine.free(address));
    plans.dispose();
    throw cause;
  }
}

function checkSizes(emitted: readonly EmittedStep[]): void {
  for (const { step, scratch } of emitted) {
    for (const { shape } of [...step.reads, ...step.node.inputs, ...step.node.outputs, ...scratch]) {
      const size = sizeOf(shape);
      if (size <= maxElements) continue;
      throw new ShoalError('MEMORY', {
        op: step.node.op.name,
        fact: `a tensor of ${size} elements is more than a kernel counts, ${maxElements}`,
        next: 'Use a smaller batch',
      });
    }
  }
}

interface Placed extends Pick<Compiled, 'memory' | 'copies' | 'placeOf'> {
  readonly staged: readonly Command[];
}

const copy = (from: Address, to: Address, value: Value): Command => ({ kind: 'copy', from, to, bytes: bytesOf(value) });

function placeTensors(
  machine: Machine,
  variables: Variables,
  schedule: Schedule,
  prelude: readonly EmittedStep[],
  steps: readonly EmittedStep[],
  allocations: Address[],
): Placed {
  const { stored } = schedule;
  const outputs = schedule.outputs.map(([, value]) => stored(value));
  const fixed = new Set(prelude.flatMap(({ step }) => step.outputs.filter((value) => value !== null)));
  const direct = new Map(schedule.updates.flatMap((update) => (update.direct ? [[update.value, update.variable] as const] : [])));
  const copied = schedule.updates.filter(({ value }) => !direct.has(value));
  const staged = new Map(
    copied.flatMap(({ value }) => (value instanceof Variable ? [[value, new Value(value, value.origin)] as const] : [])),
  );
  const kept = [...outputs, ...copied.map(({ value }) => value)];
  const read = new Set([...[...prelude, ...steps].flatMap(({ step }) => step.reads), ...kept]);
  const constants = [...read].filter((value) => value.origin.kind === 'constant');
  const withScratch = (emitted: readonly EmittedStep[]): Step[] =>
    emitted.map(({ step, scratch }) => ({ ...step, outputs: [...step.outputs, ...scratch] }));

  const staticPlan = planMemory({
    steps: withScratch(prelude),
    bytesOf,
    alignment,
    before: constants,
    after: [...constants, ...[...fixed].filter((value) => read.has(value))],
    elsewhere: (value) => value instanceof Variable,
  });
  const copies = new Set(staged.values());
  const memory = planMemory({
    steps: withScratch(steps),
    bytesOf,
    alignment,
    before: [...[...read].filter((value) => value.origin.kind === 'input'), ...copies],
    after: [...kept, ...copies],
    elsewhere: (value) =>
      !copies.has(value) && (value instanceof Variable || value.origin.kind === 'constant' || fixed.has(value) || direct.has(value)),
  });
  const allocate = (name: string, bytes: number): Address => {
    const address = machine.allocate(name, Math.max(alignment, bytes));
    allocations.push(address);
    return address;
  };
  const constantArena = allocate('constants', staticPlan.arenaBytes);
  const arena = allocate('arena', memory.arenaBytes);
  const placeOf = (value: Value): Address => {
    const variable = value instanceof Variable ? value : direct.get(value);
    if (variable) return variables.place(variable)!;
    const own = memory.placements.get(value);
    return own ? arena + BigInt(own.offset) : constantArena + BigInt(staticPlan.placements.get(value)!.offset);
  };
  for (const value of constants) {
    const { origin } = value;
    if (origin.kind === 'constant' && origin.data.length > 0) machine.upload('constants', placeOf(value), deviceArray(value, origin.data));
  }
  return {
    memory,
    placeOf,
    staged: [...staged].map(([variable, held]) => copy(placeOf(variable), placeOf(held), variable)),
    copies: copied.map(({ variable, value }) =>
      copy(placeOf((value instanceof Variable && staged.get(value)) || value), placeOf(variable), variable),
    ),
  };
}

const assembledOf = (
  { launches }: EmittedStep,
  placeOf: (value: Value) => Address,
  assembleLaunch: (launch: EmittedLaunch) => Assembled,
): readonly (Assembled | ConvolutionCommand)[] =>
  launches.flatMap((each): readonly (Assembled | ConvolutionCommand)[] => {
    if ('launch' in each) return each.launch.blocks > 0 ? [assembleLaunch(each)] : [];
    const { plan, operands, result, workspace } = each.call;
    const [left, right] = [placeOf(operands[0]), placeOf(operands[1])];
    return [{ kind: 'convolution', plan, operands: [left, right], result: placeOf(result), workspace: workspace && placeOf(workspace) }];
  });

/** Puts the words of generic kernels into memory of their own, each list once; says where. */
function wordsIn(machine: Machine, assembled: readonly Assembled[], allocations: Address[]): (words: readonly number[]) => Address {
  const lists = new Map(assembled.flatMap(({ words }) => (words ? [[words.join(), words] as const] : [])));
  const all = Int32Array.from([...lists.values()].flat());
  if (all.length === 0) return () => 0n;
  const start = machine.allocate('compile', all.byteLength);
  allocations.push(start);
  machine.upload('compile', start, all);
  let next = 0;
  const places = new Map([...lists].map(([key, words]) => [key, (next += words.length) - words.length]));
  return (words) => start + BigInt(4 * places.get(words.join())!);
}

function launchOf({ kernel, blocks, arguments: addresses, words }: Assembled, placeWords: (words: readonly number[]) => Address): Command {
  return { kind: 'launch', kernel, blocks, arguments: words ? [...addresses, placeWords(words)] : addresses };
}

const stepTime = ({ op, step }: Stage, nanoseconds: number): StepTime => ({ op, nanoseconds, ...(step ? { step } : {}) });

/** Sequences are made when they are first needed, and kept. */
class CudaProgram implements DeviceProgram {
  readonly memory: MemoryPlan;
  readonly #machine: Machine;
  readonly #compiled: Compiled;
  readonly #sequences = new Map<string, Sequence>();
  #disposed = false;

  constructor(machine: Machine, compiled: Compiled) {
    this.#machine = machine;
    this.#compiled = compiled;
    this.memory = compiled.memory;
  }

  async run({ feeds, fetch, prelude, profile, signal }: RunRequest): Promise<RunResult> {
    if (this.#disposed)
      throw new ShoalError('DISPOSED', { op: 'run', fact: 'the executable was disposed', next: 'Compile the program again' });
    throwIfAborted(signal, 'run');
    const machine = this.#machine;
    const { steps, staging, copies } = this.#compiled;
    this.#feed(feeds);
    if (prelude) this.#submit('prelude', commandsOf(this.#compiled.prelude));
    const stages = staging ? [staging, ...steps] : steps;
    const sequences = profile
      ? stages.map(({ commands }, i) => this.#sequence(`step ${i}`, commands))
      : [this.#sequence('steps', commandsOf(stages))];
    const times = await machine.run('run', sequences);
    // Fetches see the old values of variables: they are read before the updates.
    const values = new Map<Value, TensorData>();
    for (const value of fetch) values.set(value, await this.#download(value));
    this.#submit('updates', copies);
    const nanoseconds = times.reduce((sum, time) => sum + time, 0);
    return { values, nanoseconds, ...(profile ? { steps: stages.map((stage, i) => stepTime(stage, times[i]!)) } : {}) };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#sequences.forEach((sequence) => sequence.dispose());
    this.#compiled.allocations.forEach((address) => this.#machine.free(address));
    this.#compiled.plans.dispose();
  }

  #feed(feeds: RunRequest['feeds']): void {
    for (const [value, data] of feeds) {
      if (!this.memory.placements.has(value) || data.length === 0) continue;
      this.#machine.upload('run', this.#compiled.placeOf(value), deviceArray(value, data));
    }
  }

  async #download(value: Value): Promise<TensorData> {
    const data = arrayFor(value);
    if (data.length > 0) await this.#machine.download('run', this.#compiled.placeOf(value), data);
    return data;
  }

  #submit(name: string, commands: readonly Command[]): void {
    if (commands.length > 0) this.#machine.submit('run', this.#sequence(name, commands));
  }

  #sequence(name: string, commands: readonly Command[]): Sequence {
    const known = this.#sequences.get(name);
    if (known) return known;
    const made = this.#machine.prepare('run', commands);
    this.#sequences.set(name, made);
    return made;
  }
}

const commandsOf = (stages: readonly Stage[]): readonly Command[] => stages.flatMap(({ commands }) => commands);
