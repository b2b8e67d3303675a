import type { DeviceProgram, Encoding, ResidentBytes, StepTime, TunedKernel } from './backend.ts';
import { ShoalError, throwIfAborted } from './errors.ts';
import type { Value } from './graph.ts';
import type { MemoryPlan, Schedule } from './passes/index.ts';
import type { Interface } from './program.ts';
import { hostArray, sizeOf, type HostArray, type TensorData } from './tensor.ts';

export interface RunOptions {
  /** Names of the outputs to copy to the host; default all. */
  readonly fetch?: readonly string[];
  /** Arrays to copy outputs into, by name, of their sizes: they come back in place of new ones. */
  readonly into?: Readonly<Record<string, TensorData>>;
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
  /**
   * An array to write an input into and then to feed under its name. On the CPU it lies where the program reads, so that nothing is copied;
   * elsewhere it is an ordinary array, which is.
   *
   * It has to be asked for and filled before each run: a run may write over it, and it is lost (its length is 0) once the runtime takes
   * more memory, which anything asked of the runtime may do.
   *
   * ```ts
   * camera.read(executable.view('x'));
   * const { y } = await executable.run({ x: executable.view('x') });
   * ```
   *
   * @throws ShoalError `FEED` when there is no such input or a run is under way; `DISPOSED`
   */
  view(name: string): HostArray;
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
  readonly #arrays = new Map<string, HostArray>();
  #running = 0;
  #disposed = false;

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

  view(name: string): HostArray {
    const value = this.#host.signature.inputs.get(name);
    if (this.#disposed) throw new ShoalError('DISPOSED', { op: 'view', fact: 'the program was disposed', next: 'Compile it again' });
    if (!value) throw noInput([name], this.inputs, 'view');
    if (this.#running > 0) throw misfed('a run is under way', 'Await it first', 'view');
    const place = this.#compiled.view?.(value);
    if (place) return place;
    const own = this.#arrays.get(name) ?? hostArray(value.dtype, sizeOf(value.shape));
    this.#arrays.set(name, own);
    return own;
  }

  async run(feeds: Feeds = {}, options: RunOptions = {}): Promise<Readonly<Record<string, TensorData>>> {
    return (await this.timed(feeds, options)).outputs;
  }

  timed(feeds: Feeds = {}, { fetch, into = {}, signal, profile = false }: RunOptions = {}): Promise<TimedRun> {
    const host = this.#host;
    this.#running++;
    const work = async (submitted: () => void): Promise<TimedRun> => {
      throwIfAborted(signal, 'run');
      const fed = checkFeeds(host.signature, feeds);
      const wanted = this.#wanted(fetch);
      const versions = host.versions();
      const prelude = host.schedule.prelude.length > 0 && this.#preludeVersions !== versions;
      const { stored } = host.schedule;
      const targets = checkTargets(wanted, into);
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
        into: new Map(targets.map(([value, target]) => [stored(value), target])),
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
      for (const [value, target] of targets) {
        const found = result.values.get(stored(value))!;
        if (found !== target) target.set(found);
      }
      const own = wanted.map(([name, value]) => [name, result.values.get(stored(value))!] as const);
      const outputs = { ...Object.fromEntries(own), ...into };
      const { values: _, ...measured } = result;
      return { outputs, clock: host.clock, ...measured };
    };
    const done = host.exclusive(work);
    const settle = (): void => void this.#running--;
    done.then(settle, settle);
    return done;
  }

  dispose(): void {
    this.#disposed = true;
    this.#compiled.dispose();
  }

  #wanted(fetch: readonly string[] | undefined): readonly (readonly [string, Value])[] {
    const { outputs } = this.#host.schedule;
    const names = outputs.map(([name]) => name);
    const unknown = fetch?.find((name) => !names.includes(name));
    if (unknown !== undefined) throw misfed(`there is no output '${unknown}'`, `Outputs: ${names.join(', ')}`);
    return fetch ? outputs.filter(([name]) => fetch.includes(name)) : outputs;
  }
}

const misfed = (fact: string, next: string, op = 'run'): ShoalError => new ShoalError('FEED', { op, fact, next });

const noInput = (names: readonly string[], inputs: Iterable<string>, op?: string): ShoalError =>
  misfed(`there is no input '${names.join("', '")}'`, `Inputs: ${[...inputs].join(', ') || 'none'}`, op);

function checkFeeds({ inputs }: Interface, feeds: Feeds): ReadonlyMap<Value, TensorData> {
  const unknown = Object.keys(feeds).filter((name) => !inputs.has(name));
  if (unknown.length > 0) throw noInput(unknown, inputs.keys());
  return new Map(
    [...inputs].map(([name, value]) => {
      const data = feeds[name];
      const size = sizeOf(value.shape);
      if (data === undefined) throw misfed(`input '${name}' was not fed`, `Feed ${size} ${value.dtype} numbers under that name`);
      if (data.length !== size) {
        throw misfed(`input '${name}' got ${data.length} numbers, its shape [${value.shape.join(',')}] has ${size}`, 'Feed every element');
      }
      return [value, Array.isArray(data) ? Float64Array.from(data) : (data as TensorData)];
    }),
  );
}

/** The arrays that outputs are to be copied into. */
function checkTargets(
  wanted: readonly (readonly [string, Value])[],
  into: Readonly<Record<string, TensorData>>,
): readonly (readonly [Value, TensorData])[] {
  const found = new Map(wanted);
  return Object.entries(into).map(([name, target]) => {
    const value = found.get(name);
    if (!value) throw misfed(`output '${name}' is not fetched`, 'Fetch it');
    const size = sizeOf(value.shape);
    if (target.length !== size) throw misfed(`output '${name}' has ${size} numbers, its array ${target.length}`, 'Give one of its size');
    const isFloat = target instanceof Float32Array || target instanceof Float64Array;
    if (isFloat !== (value.dtype === 'f32'))
      throw misfed(`output '${name}' is ${value.dtype}, its array ${target.constructor.name}`, 'Give one of its kind');
    return [value, target];
  });
}
