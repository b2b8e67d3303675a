import { openChoices, type Choices, type ChoiceStore } from '@shoal/cache/choices';
import { ShoalError, type TunedKernel, type Value } from '@shoal/core';
import type { AutotuneOptions } from '../adapter.ts';
import { assembleFor, prepareCommand, type Command } from '../command.ts';
import type { Accessor, EmittedStep } from '../emit.ts';
import type { Gpu } from '../gpu.ts';
import type { Dispatch, Variant } from '../kernel.ts';
import type { Binding, Place } from '../module.ts';
import { stopwatchOf, type Lap, type Stopwatch } from './stopwatch.ts';

/** What tests replace. */
export interface TunerParts {
  readonly store?: ChoiceStore;
  readonly stopwatch?: (gpu: Gpu) => Stopwatch;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** Where the tensors of a program are. */
export interface Placing {
  readonly placeOf: (value: Value) => Place;
  /** The program's own, whose contents mean nothing before its first run. */
  readonly buffers: readonly GPUBuffer[];
}

export interface Tuning {
  /** The variants to run in place of dispatches that have alternatives. */
  readonly chosen: ReadonlyMap<Dispatch, Dispatch>;
  readonly tuned: readonly TunedKernel[];
}

/** Dispatches of a program that are the same work, and so have the same variants. */
interface Work {
  readonly key: string;
  readonly op: string;
  readonly accessors: readonly Accessor[];
  readonly dispatches: Dispatch[];
  readonly variants: readonly Variant[];
}

/** A variant is ready to be timed. */
interface Prepared {
  readonly command: Command;
  readonly bindings: readonly Binding[];
}

/** How often a variant has to run to be timed, and how long that takes. */
interface Calibrated {
  readonly lap: Lap;
  readonly nanoseconds: number;
}

const rounds = 3;
/** A lap takes as many times the clock's resolution, and as many nanoseconds, so that variants a few percent apart are told apart. */
const [leastResolutions, leastNanoseconds] = [16, 200_000];
const mostRepeats = 512;
/** By how much faster than the estimate's choice a variant has to be: less may be noise. */
const worthwhile = 0.97;
const defaultBudget = 1000;

/** Chooses among variants of dispatches by timing them on the device, and remembers what it chose. */
export class Tuner {
  readonly #gpu: Gpu;
  readonly #choices: Choices;
  readonly #stopwatch: Stopwatch;
  readonly #options: AutotuneOptions;
  readonly #now: () => number;

  private constructor(gpu: Gpu, choices: Choices, stopwatch: Stopwatch, options: AutotuneOptions, now: () => number) {
    this.#gpu = gpu;
    this.#choices = choices;
    this.#stopwatch = stopwatch;
    this.#options = options;
    this.#now = now;
  }

  static async open(
    gpu: Gpu,
    options: AutotuneOptions,
    { store, stopwatch = (opened) => stopwatchOf(opened), now = () => performance.now() }: TunerParts = {},
  ): Promise<Tuner> {
    const { device, flags } = gpu.opened.info;
    // What the adapter can do and what the user asked for decide which shaders there are.
    const choices = await openChoices(['webgpu', device, JSON.stringify(flags)], store);
    return new Tuner(gpu, choices, stopwatch(gpu), options, now);
  }

  /** Variables are as they were afterwards; what else the program places holds anything. */
  async tune(emitted: readonly EmittedStep[], placing: Placing): Promise<Tuning> {
    const works = this.#worksOf(emitted);
    const found = new Map<Work, readonly [variant: string, by: TunedKernel['by']]>();
    const unknown: Work[] = [];
    for (const work of works) {
      const kept = this.#choices.find(
        work.key,
        work.variants.map(({ name }) => name),
      );
      if (kept === undefined) unknown.push(work);
      else found.set(work, [kept, 'earlier timing']);
    }
    try {
      for (const [work, variant] of await this.#timeAll(unknown, placing)) found.set(work, [variant, 'timing']);
    } finally {
      // The variants that lost are spare; the program asks for the others again.
      this.#gpu.release(placing);
      await this.#choices.save();
    }
    const chosen = new Map<Dispatch, Dispatch>();
    const tuned = works.map((work): TunedKernel => {
      const [estimate] = work.variants;
      const [name, by] = found.get(work) ?? [estimate!.name, 'estimate' as const];
      if (name !== estimate!.name) {
        for (const dispatch of work.dispatches) chosen.set(dispatch, dispatch.variants!.find((variant) => variant.name === name)!.print());
      }
      return { kernel: work.key, launches: work.dispatches.length, variant: name, by };
    });
    return { chosen, tuned };
  }

  #worksOf(emitted: readonly EmittedStep[]): readonly Work[] {
    const works = new Map<string, Work>();
    for (const each of emitted) {
      each.dispatches.forEach((dispatch, k) => {
        const { variants = [], groups } = dispatch;
        if (variants.length < 2 || groups === 0) return;
        const key = keyOf(each, k);
        const known = works.get(key);
        if (known) {
          known.dispatches.push(dispatch);
          return;
        }
        works.set(key, { key, op: each.step.node.op.name, accessors: each.accessors, dispatches: [dispatch], variants });
      });
    }
    return [...works.values()];
  }

  /** The fastest variants of as many works as there is time for, those first that take most of the program's time. */
  async #timeAll(works: readonly Work[], placing: Placing): Promise<ReadonlyMap<Work, string>> {
    const chosen = new Map<Work, string>();
    if (works.length === 0) return chosen;
    const { budget = defaultBudget, onProgress } = this.#options;
    const started = this.#now();
    // These are compiled in any case, unless another variant turns out to be faster: they are not on the budget.
    const prepared = await Promise.all(
      works.map(async (work) => ({ work, estimate: await this.#prepare(work, work.variants[0]!, placing) })),
    );
    const compiled = this.#now();
    const compiling = ((compiled - started) / works.length) * 1e6;
    const deadline = compiled + budget;
    // What was asked of the device before is not to be timed.
    await this.#gpu.device.queue.onSubmittedWorkDone();
    const calibrated: (Calibrated & (typeof prepared)[number])[] = [];
    for (const each of prepared) {
      if (this.#now() >= deadline) break;
      const { work, estimate } = each;
      const measured = await this.#undisturbed(work.op, estimate.bindings, placing, () => this.#calibrate(work, estimate.command));
      if (measured) calibrated.push({ ...each, ...measured });
    }
    const share = ({ work, lap, nanoseconds }: (typeof calibrated)[number]): number => (nanoseconds / lap.repeats) * work.dispatches.length;
    for (const { work, estimate, lap, nanoseconds } of calibrated.toSorted((a, b) => share(b) - share(a))) {
      const others = work.variants.length - 1;
      const price = others * compiling + rounds * (1 + others) * nanoseconds;
      if (price > (deadline - this.#now()) * 1e6) continue;
      onProgress?.({ kernel: work.key, done: chosen.size, total: calibrated.length });
      const fastest = await this.#race(work, estimate, lap, placing);
      if (fastest === undefined) continue;
      chosen.set(work, fastest);
      this.#choices.set(work.key, fastest);
    }
    return chosen;
  }

  async #calibrate(work: Work, command: Command): Promise<Calibrated> {
    const least = Math.max(leastResolutions * this.#stopwatch.resolution, leastNanoseconds);
    const variant = work.variants[0]!.name;
    // The first lap of all pays for what is done once, such as clearing memory.
    await this.#stopwatch.time(work.op, [{ variant, command, repeats: 1 }]);
    for (let repeats = 1; ;) {
      const lap = { variant, command, repeats };
      const [nanoseconds] = await this.#stopwatch.time(work.op, [lap]);
      if (nanoseconds! >= least || repeats >= mostRepeats) return { lap, nanoseconds: nanoseconds! };
      repeats = Math.min(mostRepeats, Math.max(repeats + 1, Math.ceil((repeats * least) / nanoseconds!)));
    }
  }

  /**
   * Runs all variants in turn, several times: what disturbs the device for a while disturbs each of them. A variant that the driver
   * refuses is out of the race.
   */
  async #race(work: Work, estimate: Prepared, lap: Lap, placing: Placing): Promise<string | undefined> {
    const entrants = await Promise.all(
      work.variants.slice(1).map(async (variant) => {
        const prepared = await this.#prepare(work, variant, placing).catch(() => null);
        return prepared && { ...prepared, lap: { ...lap, variant: variant.name, command: prepared.command } };
      }),
    );
    this.#gpu.check(work.op);
    const runners = [{ ...estimate, lap }, ...entrants.filter((entrant) => entrant !== null)];
    const laps = runners.map((runner) => runner.lap);
    const bindings = runners.flatMap((runner) => runner.bindings);
    const best = await this.#undisturbed(work.op, bindings, placing, async () => {
      let least = laps.map(() => Infinity);
      for (let round = 0; round < rounds; round++) {
        const times = await this.#stopwatch.time(work.op, laps);
        least = least.map((time, i) => Math.min(time, times[i]!));
      }
      return least;
    });
    if (!best) return undefined;
    const fastest = best.reduce((least, time, i) => (time < best[least]! ? i : least), 0);
    const winner = runners[best[fastest]! < worthwhile * best[0]! ? fastest : 0]!;
    return winner.lap.variant;
  }

  async #prepare({ op, accessors }: Work, { print }: Variant, placing: Placing): Promise<Prepared> {
    const shader = assembleFor(this.#gpu, op, print(), accessors, placing.placeOf);
    return { command: await prepareCommand(this.#gpu, op, shader, placing), bindings: shader.bindings };
  }

  /** Puts back afterwards what is not the program's own, such as variables that a dispatch updates. Undefined where memory is lacking for that. */
  async #undisturbed<T>(op: string, bindings: readonly Binding[], { buffers }: Placing, work: () => Promise<T>): Promise<T | undefined> {
    const foreign = bindings.filter(({ access, buffer }) => access === 'read_write' && !buffers.includes(buffer));
    const same = (a: Binding, b: Binding): boolean => a.buffer === b.buffer && a.offset === b.offset && a.bytes === b.bytes;
    const written = foreign.filter((binding, i) => foreign.findIndex((other) => same(other, binding)) === i);
    if (written.length === 0) return work();
    const gpu = this.#gpu;
    const kept: (readonly [Binding, GPUBuffer])[] = [];
    const copy = (how: (encoder: GPUCommandEncoder) => void): Promise<void> =>
      gpu.validated(op, () => {
        const encoder = gpu.device.createCommandEncoder();
        how(encoder);
        gpu.device.queue.submit([encoder.finish()]);
      });
    try {
      for (const binding of written)
        kept.push([binding, await gpu.createBuffer('staging', op, binding.bytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST)]);
      await copy((encoder) =>
        kept.forEach(([{ buffer, offset, bytes }, copied]) => encoder.copyBufferToBuffer(buffer, offset, copied, 0, bytes)),
      );
      try {
        return await work();
      } finally {
        await copy((encoder) =>
          kept.forEach(([{ buffer, offset, bytes }, copied]) => encoder.copyBufferToBuffer(copied, 0, buffer, offset, bytes)),
        );
      }
    } catch (cause) {
      if (cause instanceof ShoalError && cause.code === 'MEMORY') return undefined;
      throw cause;
    } finally {
      kept.forEach(([, copied]) => gpu.destroy(copied));
    }
  }
}

/** The work that a dispatch is: what it computes, of which shapes, and what was fused into it. */
function keyOf({ step }: EmittedStep, k: number): string {
  const { op, inputs, outputs, attributes } = step.node;
  const types = inputs.map(({ dtype, shape }, i) => `${dtype}[${shape.join()}]${step.loads[i] ? ' fused' : ''}`);
  const results = outputs.map(({ dtype, shape }, i) => (step.outputs[i] ? `${dtype}[${shape.join()}]` : 'unread'));
  const part = k === 0 ? '' : ` part ${k}`;
  return `${op.name}${part} ${types.join(' ')} -> ${results.join(' ')}${step.epilogue ? ' fused' : ''} ${JSON.stringify(attributes)}`;
}
