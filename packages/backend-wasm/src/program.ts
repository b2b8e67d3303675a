import type { Variable } from '@shoal/core';
import {
  ShoalError,
  sizeOf,
  throwIfAborted,
  type DeviceProgram,
  type HostArray,
  type MemoryPlan,
  type Node,
  type ResidentBytes,
  type Round,
  type RunRequest,
  type RunResult,
  type Schedule,
  type StepTime,
  type TensorData,
  type Value,
} from '@shoal/core';
import { ALIGNMENT, type Allocator } from './allocator.ts';
import { emitEntry, emitFinish, emitRound, emitSteps, type Copy, type EmittedStep } from './emit.ts';
import { ModuleBuilder } from './encoder/index.ts';
import type { EngineOptions, WasmKernel } from './kernel.ts';
import { bytesOf, layoutOf } from './layout.ts';
import { placesOf, planProgram, type ProgramMemory } from './memory.ts';
import { markMode } from './micro-kernel.ts';
import type { Executor, ModuleHandle, RunReport } from './threads/index.ts';
import { counterBytes, type ThreadFunction } from './tiles.ts';

/** What programs share: the memory, the threads, and where the variables are. */
export interface Machine {
  readonly allocator: Allocator;
  readonly executor: Executor;
  readonly engine: EngineOptions;
  readonly relaxed: boolean;
  readonly shared: boolean;
  /** A word that a run sets when it has got to its end, on a cache line of its own; the counters of `emitTiles` follow. */
  readonly control: number;
  readonly variable: (variable: Variable) => number;
}

/** Bytes of what {@link Machine.control} points at. */
export const controlBytes = (threads: number): number => ALIGNMENT + counterBytes(threads);

/** A tensor in memory, as a view that holds until the memory grows. */
export function viewOf(memory: WebAssembly.Memory, { shape, dtype }: Pick<Value, 'shape' | 'dtype'>, address: number): HostArray {
  const View = dtype === 'f32' ? Float32Array : dtype === 'i32' ? Int32Array : Uint32Array;
  return new View(memory.buffer, address, sizeOf(shape));
}

interface Draft {
  readonly module: ModuleBuilder;
  readonly prelude: readonly EmittedStep[];
  readonly steps: readonly EmittedStep[];
  readonly memory: ProgramMemory;
}

/** Lets the kernels write their functions, which says how much memory they want, and plans it. Nothing is allocated. */
export function draftProgram(
  schedule: Schedule,
  kernelFor: (node: Node) => WasmKernel,
  { executor, engine, shared, relaxed }: Pick<Machine, 'executor' | 'engine' | 'shared' | 'relaxed'>,
): Draft {
  const module = new ModuleBuilder({ fma: engine.fma, relaxed, shared });
  markMode(module, engine.wide);
  // Kernels write offsets into their instructions: what offsets do not reach is refused before.
  for (const { reads, outputs } of [...schedule.prelude, ...schedule.steps])
    for (const value of [...reads, ...outputs]) if (value) bytesOf(value);
  const prelude = emitSteps(schedule.prelude, kernelFor, module, engine);
  const steps = emitSteps(schedule.steps, kernelFor, module, engine);
  return { module, prelude, steps, memory: planProgram(schedule, steps, prelude, executor.threads) };
}

/** Turns a schedule into one WebAssembly module, gives it memory, and loads it on every thread. */
export async function buildProgram(schedule: Schedule, kernelFor: (node: Node) => WasmKernel, machine: Machine): Promise<DeviceProgram> {
  const { allocator, executor } = machine;
  const { module, prelude, steps, memory } = draftProgram(schedule, kernelFor, machine);
  const copied = schedule.updates.filter(({ direct }) => !direct);
  const targets = new Set<Value>(copied.map(({ variable }) => variable));
  const saved = copied.filter(({ value }) => targets.has(value));

  const blocks: number[] = [];
  const block = (bytes: number, what: string): number => {
    if (bytes === 0) return 0;
    blocks.push(allocator.allocate(bytes, what));
    return blocks.at(-1)!;
  };
  const release = (): void => blocks.forEach((address) => allocator.free(address));
  try {
    const places = placesOf(memory, {
      arena: block(memory.arena.arenaBytes, 'the arena of a program'),
      prelude: block(memory.prelude.arenaBytes, 'what a program derives from its variables'),
      constants: block(memory.constantBytes, 'the constants of a program'),
      counters: machine.control + ALIGNMENT,
      variable: machine.variable,
    });
    const saves = saved.map(({ variable, value }): Copy => {
      const { bytes } = layoutOf(variable);
      return { from: places.addressOf(value), to: block(bytes, `the old value of ${variable.name}`), bytes };
    });
    const copies = copied.map((update): Copy => {
      const from = saves[saved.indexOf(update)]?.to ?? places.addressOf(update.value);
      return { from, to: places.addressOf(update.variable), bytes: layoutOf(update.variable).bytes };
    });
    const directs = new Set(schedule.updates.flatMap(({ value, direct }) => (direct ? [value] : [])));
    const firstDirect = schedule.steps.findIndex((step) => step.outputs.some((value) => value && directs.has(value)));
    const abortable = firstDirect < 0 ? steps.length : firstDirect;
    const emit = (name: string, ...round: EmittedStep[]): ThreadFunction => emitRound(module, name, round, places);
    emitEntry(
      module,
      'prelude',
      prelude.map((step, i) => emit(`prelude${i}`, step)),
      0,
    );
    const { rounds } = memory.arena;
    const isAlone = ([first, last]: Round): boolean => first === last;
    const functions = rounds.map((round) =>
      emit(`${isAlone(round) ? 'step' : 'round'}${round[0]}`, ...steps.slice(round[0], round[1] + 1)),
    );
    const finish = emitFinish(module, saves, copies, machine.control);
    emitEntry(module, 'main', [...functions, finish], rounds.filter(([, last]) => last < abortable).length);
    // Those that a whole run has in a round, for runs step by step.
    for (const round of rounds) if (!isAlone(round)) for (let at = round[0]; at <= round[1]; at++) emit(`step${at}`, steps[at]!);
    const code = module.build();
    const handle = await executor.load(await compile(code));
    for (const value of memory.constants.keys()) {
      if (value.origin.kind === 'constant') viewOf(allocator.memory, value, places.addressOf(value)).set(value.origin.data);
    }
    const savedBytes = saves.reduce((sum, { bytes }) => sum + bytes, 0);
    const resident = { derived: memory.prelude.arenaBytes + savedBytes, constants: memory.constantBytes, code: code.length };
    return new WasmProgram({ schedule, machine, handle, abortable, release, memory: memory.arena, resident, addressOf: places.addressOf });
  } catch (error) {
    release();
    throw error;
  }
}

async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new ShoalError('DEVICE', { op: 'backend-wasm', fact: `the engine does not take the generated module: ${text}`, cause });
  }
}

interface ProgramParts {
  readonly schedule: Schedule;
  readonly machine: Machine;
  readonly handle: ModuleHandle;
  /** After how many of the first steps a run may stop: nothing has been written into a variable then. */
  readonly abortable: number;
  readonly release: () => void;
  readonly memory: MemoryPlan;
  readonly resident: ResidentBytes;
  readonly addressOf: (value: Value) => number;
}

/** How long a run on the caller's thread goes on before it lets events in, in nanoseconds. */
const SLICE = 8e6;

class WasmProgram implements DeviceProgram {
  readonly memory: MemoryPlan;
  readonly resident: ResidentBytes;
  readonly #parts: ProgramParts;
  readonly #updated: ReadonlySet<Value>;
  #disposed = false;

  constructor(parts: ProgramParts) {
    this.#parts = parts;
    this.memory = parts.memory;
    this.resident = parts.resident;
    this.#updated = new Set(parts.schedule.updates.map(({ variable }) => variable));
  }

  view(input: Value): HostArray | undefined {
    return this.memory.placements.has(input) ? this.#view(input) : undefined;
  }

  async run({ feeds, fetch, into, prelude, profile, signal }: RunRequest): Promise<RunResult> {
    const { schedule, machine } = this.#parts;
    if (this.#disposed) throw new ShoalError('DISPOSED', { op: 'run', fact: 'the program was disposed', next: 'Compile it again' });
    this.#feed(feeds);
    // Reads see the old value: variables that this run overwrites are copied out before it.
    const values = new Map<Value, TensorData>();
    const collect = (before: boolean): void => {
      for (const value of fetch) {
        if (this.#updated.has(value) !== before) continue;
        const [target, found] = [into.get(value), this.#view(value)];
        target?.set(found);
        values.set(value, target ?? found.slice());
      }
    };
    collect(true);
    let nanoseconds = 0;
    if (prelude && schedule.prelude.length > 0) nanoseconds += (await this.#call('prelude')).nanoseconds;
    throwIfAborted(signal, 'run');
    const stepwise = profile || (!machine.shared && signal !== undefined);
    const times = stepwise ? await this.#stepwise(signal) : null;
    nanoseconds += times ? times.reduce((sum, step) => sum + step.nanoseconds, 0) : await this.#whole(signal);
    collect(false);
    return { values, nanoseconds, ...(profile && times ? { steps: times } : {}) };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#parts.release();
    // A runtime that was disposed first has let go of the module already.
    this.#parts.machine.executor.unload(this.#parts.handle).catch(() => undefined);
  }

  async #whole(signal: AbortSignal | undefined): Promise<number> {
    const { nanoseconds } = await this.#call('main', signal);
    // A signal that fires late stops nothing any more: the run counts.
    if (this.#control()[0] === 0) throwIfAborted(signal, 'run');
    return nanoseconds;
  }

  #call(entry: string, signal?: AbortSignal): Promise<RunReport> {
    this.#control().fill(0);
    return this.#parts.machine.executor.run(this.#parts.handle, entry, [], { signal });
  }

  #control(): Int32Array {
    const { allocator, executor, control } = this.#parts.machine;
    return new Int32Array(allocator.memory.buffer, control, controlBytes(executor.threads) / 4);
  }

  /** One step at a time: to measure each, and on the caller's thread to let a signal in. */
  async #stepwise(signal: AbortSignal | undefined): Promise<readonly StepTime[]> {
    const { schedule, abortable } = this.#parts;
    const times: StepTime[] = [];
    let slice = 0;
    for (const [i, step] of schedule.steps.entries()) {
      if (i <= abortable) throwIfAborted(signal, 'run');
      const { nanoseconds } = await this.#call(`step${i}`);
      times.push({ op: step.node.op.name, step, nanoseconds });
      slice += nanoseconds;
      if (slice > SLICE && i + 1 <= abortable) {
        await new Promise((resolve) => setTimeout(resolve));
        slice = 0;
      }
    }
    if (schedule.steps.length <= abortable) throwIfAborted(signal, 'run');
    const { nanoseconds } = await this.#call('finish');
    return [...times, { op: 'core/update', nanoseconds }];
  }

  /** Copies inputs to their places, but for those that lie there already ({@link view}). */
  #feed(feeds: RunRequest['feeds']): void {
    const copies = [...feeds].flatMap(([value, data]) => {
      const place = this.view(value);
      if (!place || (data.buffer === place.buffer && data.byteOffset === place.byteOffset && data.constructor === place.constructor))
        return [];
      // The place of another input is written over before its turn.
      return [{ place, data: data.buffer === place.buffer ? data.slice() : data }];
    });
    for (const { place, data } of copies) place.set(data);
  }

  #view(value: Value): HostArray {
    return viewOf(this.#parts.machine.allocator.memory, value, this.#parts.addressOf(value));
  }
}
