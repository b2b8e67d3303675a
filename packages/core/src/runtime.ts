import type { Backend, Device, DeviceInfo, DeviceProgram, StepCount } from './backend.ts';
import { ShoalError } from './errors.ts';
import { DeviceExecutable, type Executable, type ExecutableHost } from './executable.ts';
import { topological, type Node, type Variable } from './graph.ts';
import { afterOp } from './ops/after.ts';
import { siteOf, supported, unsupported, type Kernel, type KernelSet, type Support } from './kernel.ts';
import { nextStep, noKernel, type Missing } from './missing.ts';
import {
  expandMissing,
  foldConstants,
  foldScales,
  fuseMaps,
  lowerKernels,
  masksFromResults,
  schedule,
  shareCommon,
  stripStopGradients,
  type MemoryPlan,
  type Schedule,
} from './passes/index.ts';
import { interfaceOf, rootsOf, type Interface, type Program } from './program.ts';
import { sizeOf, type TensorData } from './tensor.ts';

/** A program as a device would run it, and what that asks of it. */
export interface ProgramCount {
  readonly schedule: Schedule;
  /** One for each step of the schedule, in its order. */
  readonly steps: readonly StepCount[];
}

export interface Runtime {
  readonly backend: string;
  readonly info: DeviceInfo;
  /** Every node the runtime could not run, each op and reason once; empty means the program will compile. */
  missing(program: Program): readonly Missing[];
  /** Prepares a program. Throws `KERNEL`, listing every op that is missing, before the device is touched. */
  compile(program: Program): Promise<Executable>;
  /** The memory that a run of the program would need beside the variables. Throws like `compile`; runs nothing. */
  plan(program: Program): Promise<MemoryPlan>;
  /** What a run of the program would ask of the device, step by step. Throws like `compile`, and `UNSUPPORTED` where a backend does not count; runs nothing. */
  count(program: Program): Promise<ProgramCount>;
  read(variable: Variable): Promise<TensorData>;
  write(variable: Variable, data: TensorData | readonly number[]): Promise<void>;
  /** Frees everything; later calls throw `DISPOSED`. */
  dispose(): Promise<void>;
}

/**
 * A runtime: one open device and the kernels it may use, the list being explicit.
 *
 * @param backend what `reference()`, `wasm()`, `webgpu()` ... return
 * @param plugins kernel sets for that backend, such as `poolWasm`; the structural ops are built in
 */
export async function createRuntime<K extends Kernel>(backend: Backend<K>, plugins: readonly KernelSet<K>[] = []): Promise<Runtime> {
  const kernels = new Map<string, K>();
  for (const set of [backend.kernels, ...plugins]) {
    for (const kernel of Object.values(set)) {
      if (kernel.backend !== backend.name) {
        throw new ShoalError('KERNEL', {
          op: kernel.op.name,
          fact: `a kernel for ${kernel.backend} was given to ${backend.name}`,
          next: `Pass the plugin's ./${backend.name} entry`,
        });
      }
      kernels.set(kernel.op.name, kernel);
    }
  }
  return new DeviceRuntime(backend, kernels, await backend.open());
}

/**
 * The first runtime that can be had, such as WebGPU's and else the CPU's: candidates are called in their order until one does not fail
 * with `UNSUPPORTED`, and those after it are never called, so kernels that they import are never downloaded. Why the ones before it
 * failed stands in `runtime.info.notes`.
 *
 * ```ts
 * const runtime = await firstRuntime([() => createRuntime(webgpu(), [convWebgpu]), () => createRuntime(wasm(), [convWasm])]);
 * ```
 *
 * @throws ShoalError `UNSUPPORTED` with every reason when there is none; another error as soon as a candidate fails with it
 */
export async function firstRuntime(candidates: readonly (() => Promise<Runtime>)[]): Promise<Runtime> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    try {
      const runtime = await candidate();
      if (runtime instanceof DeviceRuntime) runtime.note(reasons);
      return runtime;
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'UNSUPPORTED') throw error;
      reasons.push(error.message);
    }
  }
  throw new ShoalError('UNSUPPORTED', {
    op: 'firstRuntime',
    fact: reasons.length === 0 ? 'there are no candidates' : `no candidate can be had: ${reasons.join('; ')}`,
    next: 'Add a backend that runs everywhere, such as wasm()',
  });
}

class DeviceRuntime<K extends Kernel> implements Runtime {
  readonly backend: string;
  #info: DeviceInfo;
  readonly #backend: Backend<K>;
  readonly #kernels: ReadonlyMap<string, K>;
  readonly #device: Device<K>;
  readonly #versions = new Map<Variable, number>();
  #disposed = false;
  /** Resolves when the device can be asked for the next thing; never rejects. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #unfinished = new Set<Promise<unknown>>();

  constructor(backend: Backend<K>, kernels: ReadonlyMap<string, K>, device: Device<K>) {
    this.backend = backend.name;
    this.#info = device.info;
    this.#backend = backend;
    this.#kernels = kernels;
    this.#device = device;
  }

  get info(): DeviceInfo {
    return this.#info;
  }

  /** Adds to the notes of `info`. */
  note(notes: readonly string[]): void {
    this.#info = { ...this.#info, notes: [...notes, ...this.#info.notes] };
  }

  missing(program: Program): readonly Missing[] {
    return this.#missing(this.#expanded(program));
  }

  compile(program: Program): Promise<Executable> {
    return this.#exclusive('compile', async () => {
      const plan = this.#schedule(program);
      return new DeviceExecutable(this.#host(interfaceOf(program), program, plan), await this.#compile(program, plan, true));
    });
  }

  plan(program: Program): Promise<MemoryPlan> {
    return this.#exclusive('plan', async () => {
      const plan = this.#schedule(program);
      if (this.#device.plan) return this.#device.plan(plan, (node) => this.#kernelFor(node));
      const compiled = await this.#compile(program, plan, false);
      compiled.dispose();
      return compiled.memory;
    });
  }

  count(program: Program): Promise<ProgramCount> {
    return this.#exclusive('count', () => {
      const plan = this.#schedule(program);
      const steps = this.#device.count?.(plan, (node) => this.#kernelFor(node));
      if (steps) return Promise.resolve({ schedule: plan, steps });
      throw new ShoalError('UNSUPPORTED', {
        op: 'count',
        fact: `backend ${this.backend} does not count what its kernels do`,
        next: 'Use webgpu',
      });
    });
  }

  read(variable: Variable): Promise<TensorData> {
    return this.#exclusive('read', async () => {
      await this.#initialise(variable);
      return this.#device.read(variable);
    });
  }

  write(variable: Variable, data: TensorData | readonly number[]): Promise<void> {
    return this.#exclusive('write', async () => {
      if (data.length !== sizeOf(variable.shape)) {
        throw new ShoalError('FEED', {
          op: `write ${variable.name}`,
          fact: `got ${data.length} elements for shape [${variable.shape.join(',')}], which has ${sizeOf(variable.shape)}`,
          next: 'Write every element',
        });
      }
      await this.#device.write(variable, Array.isArray(data) ? Float64Array.from(data) : (data as TensorData));
      this.#touch(variable);
    });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#queue;
    await Promise.all(this.#unfinished);
    await this.#device.dispose();
  }

  /** Everything on the device happens in the order it was asked for: one thing after the other, or after the other was `submitted`. */
  #exclusive<T>(op: string, work: (submitted: () => void) => Promise<T>): Promise<T> {
    let submitted = (): void => undefined;
    const inQueue = new Promise<void>((resolve) => (submitted = resolve));
    const result = this.#queue.then(() => {
      if (this.#disposed)
        throw new ShoalError('DISPOSED', { op, fact: `the ${this.backend} runtime was disposed`, next: 'Create a new one' });
      return work(submitted);
    });
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#unfinished.add(settled);
    void settled.then(() => this.#unfinished.delete(settled));
    this.#queue = Promise.race([settled, inQueue]);
    return result;
  }

  #schedule(program: Program): Schedule {
    const lowered = this.#expanded(program);
    const missing = this.#missing(lowered);
    if (missing.length > 0) {
      throw new ShoalError('KERNEL', {
        op: missing.map(({ op }) => op).join(', '),
        fact: `cannot run on backend ${this.backend}: ${missing.map(({ op, reason }) => `${op} (${reason})`).join('; ')}`,
        next: nextStep(missing, this.backend),
      });
    }
    const kernelFor = (node: Node): K => this.#kernelFor(node);
    return schedule(optimize(lowered, kernelFor, this.info), kernelFor);
  }

  async #compile(program: Program, plan: Schedule, tune: boolean): Promise<DeviceProgram> {
    for (const variable of interfaceOf(program).variables) await this.#initialise(variable);
    return this.#device.compile(plan, (node) => this.#kernelFor(node), tune);
  }

  #host(signature: Interface, program: Program, plan: Schedule): ExecutableHost {
    return {
      clock: this.info.clock,
      signature,
      schedule: plan,
      exclusive: (work) => this.#exclusive('run', work),
      versions: () => plan.staticVariables.map((variable) => this.#versions.get(variable) ?? 0).join(','),
      touchUpdated: () => (program.updates ?? []).forEach(([variable]) => this.#touch(variable)),
    };
  }

  #expanded(program: Program): Program {
    return expandMissing(stripStopGradients(program), (node) => this.#support(node).supported);
  }

  #missing(program: Program): readonly Missing[] {
    const found = new Map<string, Missing>();
    for (const node of topological(rootsOf(program))) {
      const support = this.#support(node);
      if (!support.supported) found.set(`${node.op.name} ${support.reason}`, { op: node.op.name, reason: support.reason });
    }
    return [...found.values()];
  }

  #support(node: Node): Support {
    if (node.op.name === afterOp.name) return supported;
    const kernel = this.#kernels.get(node.op.name);
    if (!kernel) return unsupported(noKernel);
    const site = siteOf(node);
    const engine = this.#backend.supports?.(kernel, site) ?? supported;
    return engine.supported ? (kernel.supports?.(site) ?? supported) : engine;
  }

  #kernelFor(node: Node): K {
    return this.#kernels.get(node.op.name)!;
  }

  async #initialise(variable: Variable): Promise<void> {
    if (this.#versions.has(variable)) return;
    await this.#device.write(variable, variable.initial());
    this.#touch(variable);
  }

  #touch(variable: Variable): void {
    this.#versions.set(variable, (this.#versions.get(variable) ?? 0) + 1);
  }
}

/** The passes, in order. */
function optimize(program: Program, kernelFor: (node: Node) => Kernel, device: DeviceInfo): Program {
  const folded = foldScales(shareCommon(foldConstants(program)));
  return fuseMaps(masksFromResults(shareCommon(foldConstants(lowerKernels(folded, kernelFor, device)))));
}
