import {
  planMemory,
  ShoalError,
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
  type TunedKernel,
} from '@shoal/core';
import { assembleFor, prepareCommand, type Command } from './command.ts';
import { emitCopy, emitStep, type EmittedStep } from './emit.ts';
import type { Gpu, MemoryKind } from './gpu.ts';
import type { WebgpuKernel } from './kernel.ts';
import { bytesOf, deviceArray, mapForReading, readArray, tensorUsage, type Variables } from './memory.ts';
import type { Place } from './module.ts';
import { halvesOf } from './storage.ts';
import type { Tuner } from './tune/tuner.ts';
import { maxSpans, Timer, wallNanoseconds } from './timer.ts';

/** The commands of one step. */
interface Stage {
  readonly op: string;
  /** Absent for copies of variables. */
  readonly step?: Step;
  readonly commands: readonly Command[];
}

/** An update whose value was not computed in place: copied after the last step. */
interface Copy {
  readonly from: Place;
  readonly to: Place;
}

interface Compiled {
  readonly memory: MemoryPlan;
  readonly prelude: readonly Stage[];
  readonly steps: readonly Stage[];
  readonly copies: readonly Copy[];
  readonly placeOf: (value: Value) => Place;
  readonly buffers: readonly GPUBuffer[];
  readonly tuned: readonly TunedKernel[];
}

/** Prepares everything that a run needs: memory, shaders, pipelines, bind groups. Without a tuner, estimates choose among variants. */
export async function compileProgram(
  gpu: Gpu,
  variables: Variables,
  schedule: Schedule,
  kernelFor: (node: Node) => WebgpuKernel,
  tuner: Tuner | null,
): Promise<DeviceProgram> {
  const emit = (steps: readonly Step[]): EmittedStep[] => steps.map((step) => emitStep(step, kernelFor(step.node), gpu.opened.subgroup));
  const [prelude, steps] = [emit(schedule.prelude), emit(schedule.steps)];
  const placed = await placeTensors(gpu, variables, schedule, prelude, steps);
  try {
    checkBindings(gpu, [...prelude, ...steps], placed.placeOf);
    const tuning = await tuner?.tune([...prelude, ...steps], placed);
    const chosen = ({ accessors, dispatches }: EmittedStep): Pick<EmittedStep, 'accessors' | 'dispatches'> => ({
      accessors,
      dispatches: dispatches.map((dispatch) => tuning?.chosen.get(dispatch) ?? dispatch),
    });
    const stages = async (emitted: readonly EmittedStep[]): Promise<Stage[]> =>
      Promise.all(
        emitted.map(async (each) => ({ ...(await stageOf(gpu, each.step.node.op.name, chosen(each), placed)), step: each.step })),
      );
    const staged = placed.staged.map(([variable, copy]) => stageOf(gpu, 'update', emitCopy(variable, copy), placed));
    const [first, copied, rest] = await Promise.all([stages(prelude), Promise.all(staged), stages(steps)]);
    return new WebgpuProgram(gpu, { ...placed, prelude: first, steps: [...copied, ...rest], tuned: tuning?.tuned ?? [] });
  } catch (cause) {
    releaseProgram(gpu, placed);
    throw cause;
  }
}

/** Frees what a program holds. Its list of buffers stands for it where pipelines are shared. */
function releaseProgram(gpu: Gpu, { buffers }: Pick<Compiled, 'buffers'>): void {
  buffers.forEach((buffer) => gpu.destroy(buffer));
  gpu.release(buffers);
}

interface Placed extends Pick<Compiled, 'memory' | 'copies' | 'placeOf' | 'buffers'> {
  /** Variables that are the new value of another one, and where they are copied before anything overwrites them. */
  readonly staged: readonly (readonly [Variable, Value])[];
}

async function placeTensors(
  gpu: Gpu,
  variables: Variables,
  schedule: Schedule,
  prelude: readonly EmittedStep[],
  steps: readonly EmittedStep[],
): Promise<Placed> {
  const { stored } = schedule;
  const { minStorageBufferOffsetAlignment: alignment, maxBufferSize } = gpu.device.limits;
  const pageBytes = Math.floor(maxBufferSize / alignment) * alignment;
  const isHalf = halvesOf(schedule, gpu.opened.storage);
  const bytesIn = (value: Value): number => bytesOf(value, isHalf(value));
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
    bytesOf: bytesIn,
    alignment,
    pageBytes,
    before: constants,
    after: [...constants, ...[...fixed].filter((value) => read.has(value))],
    elsewhere: (value) => value instanceof Variable,
  });
  const copies = new Set(staged.values());
  const memory = planMemory({
    steps: withScratch(steps),
    bytesOf: bytesIn,
    alignment,
    pageBytes,
    before: [...[...read].filter((value) => value.origin.kind === 'input'), ...copies],
    after: [...kept, ...copies],
    elsewhere: (value) =>
      !copies.has(value) && (value instanceof Variable || value.origin.kind === 'constant' || fixed.has(value) || direct.has(value)),
  });
  const buffers: GPUBuffer[] = [];
  const allocate = async (kind: MemoryKind, bytes: number): Promise<GPUBuffer> => {
    const buffer = await gpu.createBuffer(kind, 'compile', Math.max(4, bytes), tensorUsage());
    buffers.push(buffer);
    return buffer;
  };
  /** As many buffers as hold an arena: one, unless the device's are too small. A tensor that no buffer holds is refused. */
  const allocateArena = async (kind: MemoryKind, { arenaBytes, placements }: MemoryPlan): Promise<readonly GPUBuffer[]> => {
    const largest = [...placements.values()].reduce((most, { bytes }) => Math.max(most, bytes), 0);
    if (largest > pageBytes) await allocate(kind, largest);
    const pages: GPUBuffer[] = [];
    for (let start = 0; start === 0 || start < arenaBytes; start += pageBytes) {
      pages.push(await allocate(kind, Math.min(pageBytes, arenaBytes - start)));
    }
    return pages;
  };
  let fixedBuffers: readonly GPUBuffer[] = [];
  let arena: readonly GPUBuffer[] = [];
  const placeOf = (value: Value): Place => {
    const variable = value instanceof Variable ? value : direct.get(value);
    if (variable) return variables.place(variable)!;
    const own = memory.placements.get(value);
    const { offset } = own ?? staticPlan.placements.get(value)!;
    const buffer = (own ? arena : fixedBuffers)[Math.floor(offset / pageBytes)]!;
    return { buffer, offset: offset % pageBytes, bytes: bytesIn(value), half: isHalf(value) };
  };
  try {
    fixedBuffers = await allocateArena('constants', staticPlan);
    arena = await allocateArena('arena', memory);
    await gpu.validated('compile', () => {
      for (const value of constants) {
        const { buffer, offset, half } = placeOf(value);
        if (value.origin.kind === 'constant') gpu.device.queue.writeBuffer(buffer, offset, deviceArray(value, value.origin.data, half));
      }
    });
  } catch (cause) {
    releaseProgram(gpu, { buffers });
    throw cause;
  }
  return {
    memory,
    placeOf,
    buffers,
    staged: [...staged],
    copies: copied.map(({ variable, value }) => ({
      from: placeOf((value instanceof Variable && staged.get(value)) || value),
      to: placeOf(variable),
    })),
  };
}

function checkBindings(gpu: Gpu, emitted: readonly EmittedStep[], placeOf: (value: Value) => Place): void {
  const { maxStorageBufferBindingSize } = gpu.device.limits;
  for (const { step } of emitted) {
    for (const value of [...step.reads, ...step.outputs]) {
      const bytes = value ? placeOf(value).bytes : 0;
      if (bytes <= maxStorageBufferBindingSize) continue;
      throw new ShoalError('MEMORY', {
        op: step.node.op.name,
        fact: `a tensor of ${bytes} bytes is more than the device binds at once, ${maxStorageBufferBindingSize}`,
        next: 'Use a smaller batch',
      });
    }
  }
}

async function stageOf(
  gpu: Gpu,
  op: string,
  { dispatches, accessors }: Pick<EmittedStep, 'dispatches' | 'accessors'>,
  { placeOf, buffers }: Pick<Compiled, 'placeOf' | 'buffers'>,
): Promise<Stage> {
  const commands = dispatches
    .filter(({ groups }) => groups > 0)
    .map((dispatch) => prepareCommand(gpu, op, assembleFor(gpu, op, dispatch, accessors, placeOf), buffers));
  return { op, commands: await Promise.all(commands) };
}

/** Where a run's results come back: timestamps first, then what is fetched. */
interface Readback {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<Value, number>;
}

class WebgpuProgram implements DeviceProgram {
  readonly memory: MemoryPlan;
  readonly tuned: readonly TunedKernel[];
  readonly #gpu: Gpu;
  readonly #compiled: Compiled;
  /** Buffers for reading back that no run uses: as many as runs were in the queue at once. */
  readonly #staging: GPUBuffer[] = [];
  readonly #timers = new Map<number, Timer>();
  #disposed = false;

  constructor(gpu: Gpu, compiled: Compiled) {
    this.#gpu = gpu;
    this.#compiled = compiled;
    this.memory = compiled.memory;
    this.tuned = compiled.tuned;
  }

  async run({ feeds, fetch, prelude, profile, signal, submitted }: RunRequest): Promise<RunResult> {
    if (this.#disposed)
      throw new ShoalError('DISPOSED', { op: 'run', fact: 'the executable was disposed', next: 'Compile the program again' });
    const { steps } = this.#compiled;
    const timer = await this.#timerFor(profile ? Math.max(1, steps.length) : 1);
    const readback = this.#readback(fetch, timer?.bytes ?? 0);
    const staging = await this.#takeStaging(readback.bytes);
    try {
      throwIfAborted(signal, 'run');
      // Without timestamps, the only clock of a step is a submit of its own.
      if (profile && !timer) return await this.#runStepwise(feeds, prelude, readback, staging);
      return await this.#runWhole({ feeds, prelude, profile, submitted }, readback, staging, timer);
    } finally {
      if (staging) this.#giveStaging(staging);
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    releaseProgram(this.#gpu, this.#compiled);
    for (const buffer of this.#staging) this.#gpu.destroy(buffer);
    for (const timer of this.#timers.values()) timer.dispose();
  }

  async #runWhole(
    { feeds, prelude, profile, submitted }: Pick<RunRequest, 'feeds' | 'prelude' | 'profile' | 'submitted'>,
    readback: Readback,
    staging: GPUBuffer | null,
    timer: Timer | null,
  ): Promise<RunResult> {
    const gpu = this.#gpu;
    const { steps } = this.#compiled;
    const started = performance.now();
    let dispatches = 0;
    let encoded = 0;
    const verdict = gpu.validated('run', () => {
      this.#feed(feeds);
      const from = performance.now();
      const encoder = gpu.device.createCommandEncoder();
      if (prelude) dispatches += encode(encoder, this.#compiled.prelude);
      if (profile) steps.forEach((step, i) => (dispatches += encode(encoder, [step], timer?.writes(i))));
      else dispatches += encode(encoder, steps, timer?.writes(0));
      if (timer) timer.resolve(encoder, staging!);
      this.#finish(encoder, readback, staging);
      encoded = performance.now() - from;
    });
    submitted();
    await verdict;
    await gpu.device.queue.onSubmittedWorkDone();
    const elapsed = performance.now() - started;
    const { values, times } = await this.#collect(readback, staging, timer);
    const encoding = { dispatches, nanoseconds: encoded * 1e6 };
    if (!times) return { values, nanoseconds: wallNanoseconds(elapsed), encoding };
    const nanoseconds = times.reduce((sum, time) => sum + time, 0);
    return { values, nanoseconds, encoding, ...(profile ? { steps: steps.map((stage, i) => stepTime(stage, times[i]!)) } : {}) };
  }

  async #runStepwise(feeds: RunRequest['feeds'], prelude: boolean, readback: Readback, staging: GPUBuffer | null): Promise<RunResult> {
    const gpu = this.#gpu;
    const submit = async (work: (encoder: GPUCommandEncoder) => void): Promise<number> => {
      const started = performance.now();
      await gpu.validated('run', () => {
        const encoder = gpu.device.createCommandEncoder();
        work(encoder);
        gpu.device.queue.submit([encoder.finish()]);
      });
      await gpu.device.queue.onSubmittedWorkDone();
      return wallNanoseconds(performance.now() - started);
    };
    await gpu.validated('run', () => this.#feed(feeds));
    if (prelude) await submit((encoder) => encode(encoder, this.#compiled.prelude));
    const steps: StepTime[] = [];
    for (const stage of this.#compiled.steps) steps.push(stepTime(stage, await submit((encoder) => encode(encoder, [stage]))));
    await gpu.validated('run', () => this.#finish(gpu.device.createCommandEncoder(), readback, staging));
    const { values } = await this.#collect(readback, staging, null);
    return { values, steps, nanoseconds: steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0) };
  }

  #feed(feeds: ReadonlyMap<Value, TensorData>): void {
    for (const [value, data] of feeds) {
      if (!this.memory.placements.has(value) || data.length === 0) continue;
      const { buffer, offset } = this.#compiled.placeOf(value);
      this.#gpu.device.queue.writeBuffer(buffer, offset, deviceArray(value, data));
    }
  }

  /** Fetches see the old values of variables: they are copied out before the updates. */
  #finish(encoder: GPUCommandEncoder, { offsets }: Readback, staging: GPUBuffer | null): void {
    const { placeOf, copies } = this.#compiled;
    for (const [value, offset] of offsets) {
      const from = placeOf(value);
      encoder.copyBufferToBuffer(from.buffer, from.offset, staging!, offset, from.bytes);
    }
    for (const { from, to } of copies) encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, to.bytes);
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  async #collect(
    { bytes, offsets }: Readback,
    staging: GPUBuffer | null,
    timer: Timer | null,
  ): Promise<{ values: ReadonlyMap<Value, TensorData>; times: readonly number[] | null }> {
    if (!staging) return { values: new Map(), times: null };
    await mapForReading(this.#gpu, 'run', staging, bytes);
    try {
      const values = new Map([...offsets].map(([value, offset]) => [value, readArray(value, staging, offset)]));
      return { values, times: timer ? timer.read(staging) : null };
    } finally {
      staging.unmap();
    }
  }

  #readback(fetch: readonly Value[], timestampBytes: number): Readback {
    let bytes = timestampBytes;
    const offsets = new Map<Value, number>();
    for (const value of fetch) {
      if (offsets.has(value)) continue;
      offsets.set(value, bytes);
      bytes += Math.ceil(bytesOf(value) / 8) * 8;
    }
    return { bytes, offsets };
  }

  async #takeStaging(bytes: number): Promise<GPUBuffer | null> {
    if (bytes === 0) return null;
    const free = this.#staging.pop();
    if (free && free.size >= bytes) return free;
    if (free) this.#gpu.destroy(free);
    return this.#gpu.createBuffer('staging', 'run', bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  #giveStaging(buffer: GPUBuffer): void {
    if (this.#disposed) this.#gpu.destroy(buffer);
    else this.#staging.push(buffer);
  }

  async #timerFor(spans: number): Promise<Timer | null> {
    const { timestampResolution } = this.#gpu.opened;
    if (timestampResolution === null || spans > maxSpans) return null;
    const timer = this.#timers.get(spans) ?? (await Timer.create(this.#gpu, spans, timestampResolution));
    this.#timers.set(spans, timer);
    return timer;
  }
}

const stepTime = ({ op, step }: Stage, nanoseconds: number): StepTime => ({ op, nanoseconds, ...(step ? { step } : {}) });

/** Returns how many dispatches there are. What a dispatch shares with the one before it is not set again. */
function encode(encoder: GPUCommandEncoder, stages: readonly Stage[], timestampWrites?: GPUComputePassTimestampWrites): number {
  const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
  let last: GPUComputePipeline | null = null;
  let count = 0;
  for (const { commands } of stages) {
    for (const { pipeline, bindGroup, groups } of commands) {
      if (pipeline !== last) pass.setPipeline(pipeline);
      last = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...groups);
      count++;
    }
  }
  pass.end();
  return count;
}
