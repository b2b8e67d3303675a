import type { DeviceProgram, Encoding, ResidentBytes, StepTime, TunedKernel } from './backend.ts';
import { ShoalError, throwIfAborted } from './errors.ts';
import type { Value } from './graph.ts';
import type { MemoryPlan, Schedule } from './passes/index.ts';
import type { Interface } from './program.ts';
import { sizeOf, type TensorData } from './tensor.ts';

export interface RunOptions {
  /** Names of the outputs to copy to the host; default all. */
  readonly fetch?: readonly string[];
  readonly signal?: AbortSignal;
  /** Time every step. */
  readonly profile?: boolean;
}

export interface TimedRun {
  readonly outputs: Readonly<Record<string, TensorData>>;
  /** Device time of the steps, without feeding and fetching, by `clock`. */
  readonly nanoseconds: number;
  readonly clock: string;
  readonly steps?: readonly StepTime[];
  /** Absent for devices that compute where the host does. */
  readonly encoding?: Encoding;
}

export type Feeds = Readonly<Record<string, TensorData | readonly number[]>>;

/** A program compiled for one runtime. */
export interface Executable {
  /**
   * Runs the program. Feeds are by input name; the outputs asked for come back by name, all of them read before updates apply.
   *
   * Everything asked of a runtime happens in the order in which it was asked for, whether or not one waits for what came before. A
   * device with a queue of its own (WebGPU) has the next run in it while one computes: so do not wait for each step's loss, and
   * feed arrays that stay as they are until their run is done.
   */
  run(feeds?: Feeds, options?: RunOptions): Promise<Readonly<Record<string, TensorData>>>;
  /** {@link run}, with the device's clock. */
  timed(feeds?: Feeds, options?: RunOptions): Promise<TimedRun>;
  /** Names of the inputs to feed. */
  readonly inputs: readonly string[];
  /** Where everything lies that exists during a run, the scratch of kernels too. */
  readonly memory: MemoryPlan;
  /** What the program holds beside that and the variables; undefined where the device does not say. */
  readonly resident: ResidentBytes | undefined;
  /** The steps that run, for reports and tests. */
  readonly schedule: Schedule;
  /** The kernels whose variants were chosen by timing; none where the device does not tune. */
  readonly tuned: readonly TunedKernel[];
  dispose(): void;
}

/** What an executable needs of its runtime. */
export interface ExecutableHost {
  readonly clock: string;
  readonly signature: Interface;
  readonly schedule: Schedule;
  exclusive<T>(work: (submitted: () => void) => Promise<T>): Promise<T>;
  /** Changes whenever a variable that the prelude reads has changed. */
  versions(): string;
  touchUpdated(): void;
}

export class DeviceExecutable implements Executable {
  readonly #host: ExecutableHost;
  readonly #compiled: DeviceProgram;
  #preludeVersions: string | null = null;

  constructor(host: ExecutableHost, compiled: DeviceProgram) {
    this.#host = host;
    this.#compiled = compiled;
  }

  get inputs(): readonly string[] {
    return [...this.#host.signature.inputs.keys()];
  }

  get memory(): MemoryPlan {
    return this.#compiled.memory;
  }

  get resident(): ResidentBytes | undefined {
    return this.#compiled.resident;
  }

  get schedule(): Schedule {
    return this.#host.schedule;
  }

  get tuned(): readonly TunedKernel[] {
    return this.#compiled.tuned ?? [];
  }

  async run(feeds: Feeds = {}, options: RunOptions = {}): Promise<Readonly<Record<string, TensorData>>> {
    return (await this.timed(feeds, options)).outputs;
  }

  timed(feeds: Feeds = {}, { fetch, signal, profile = false }: RunOptions = {}): Promise<TimedRun> {
    const host = this.#host;
    return host.exclusive(async (submitted) => {
      throwIfAborted(signal, 'run');
      const fed = checkFeeds(host.signature, feeds);
      const wanted = this.#wanted(fetch);
      const versions = host.versions();
      const prelude = host.schedule.prelude.length > 0 && this.#preludeVersions !== versions;
      const { stored } = host.schedule;
      // What is asked for after this run sees its updates, also while it is still in the device's queue. But what later runs take from
      // a prelude has to be there: a device may still refuse the run that computes it.
      let isCounted = false;
      const count = (): void => {
        if (!isCounted) host.touchUpdated();
        isCounted = true;
      };
      const result = await this.#compiled.run({
        feeds: fed,
        fetch: wanted.map(([, value]) => stored(value)),
        prelude,
        profile,
        signal,
        submitted() {
          if (prelude) return;
          count();
          submitted();
        },
      });
      if (prelude) this.#preludeVersions = versions;
      count();
      const outputs = Object.fromEntries(wanted.map(([name, value]) => [name, result.values.get(stored(value))!]));
      const { values: _, ...measured } = result;
      return { outputs, clock: host.clock, ...measured };
    });
  }

  dispose(): void {
    this.#compiled.dispose();
  }

  #wanted(fetch: readonly string[] | undefined): readonly (readonly [string, Value])[] {
    const { outputs } = this.#host.schedule;
    const unknown = fetch?.find((name) => !outputs.some(([known]) => known === name));
    if (unknown !== undefined) {
      throw new ShoalError('FEED', {
        op: 'run',
        fact: `there is no output '${unknown}'`,
        next: `Outputs: ${outputs.map(([name]) => name).join(', ')}`,
      });
    }
    return fetch ? outputs.filter(([name]) => fetch.includes(name)) : outputs;
  }
}

function checkFeeds({ inputs }: Interface, feeds: Feeds): ReadonlyMap<Value, TensorData> {
  const unknown = Object.keys(feeds).filter((name) => !inputs.has(name));
  if (unknown.length > 0) {
    throw new ShoalError('FEED', {
      op: 'run',
      fact: `there is no input '${unknown.join("', '")}'`,
      next: `Inputs: ${[...inputs.keys()].join(', ') || 'none'}`,
    });
  }
  return new Map(
    [...inputs].map(([name, value]) => {
      const data = feeds[name];
      const size = sizeOf(value.shape);
      if (data === undefined)
        throw new ShoalError('FEED', {
          op: 'run',
          fact: `input '${name}' was not fed`,
          next: `Feed ${size} ${value.dtype} numbers under that name`,
        });
      if (data.length !== size) {
        throw new ShoalError('FEED', {
          op: 'run',
          fact: `input '${name}' got ${data.length} numbers, its shape [${value.shape.join(',')}] has ${size}`,
          next: 'Feed every element',
        });
      }
      return [value, Array.isArray(data) ? Float64Array.from(data) : (data as TensorData)];
    }),
  );
}
