import {
  planMemory,
  ShoalError,
  siteOf,
  sizeOf,
  throwIfAborted,
  type DeviceProgram,
  type MemoryPlan,
  type Node,
  type RunRequest,
  type RunResult,
  type Schedule,
  type Step,
  type StepTime,
  type TensorData,
  type Value,
  type Variable,
} from '@shoal/core';
import { checkEngine, settle, type Engine, type Tensor } from './engine.ts';
import type { TfjsKernel } from './kernel.ts';
import { download, filled, upload } from './transfer.ts';

type Store = Map<Value, Tensor>;

/** Milliseconds of work after which timers and signals get their turn. */
const pauseAfter = 50;

/** Runs a schedule step by step; a tensor is disposed of after the last step that reads it. */
export class TfjsProgram implements DeviceProgram {
  readonly memory: MemoryPlan;
  readonly #engine: Engine;
  readonly #schedule: Schedule;
  readonly #kernelFor: (node: Node) => TfjsKernel;
  readonly #variables: Map<Variable, Tensor>;
  readonly #onDispose: () => void;
  readonly #constants: Store = new Map();
  readonly #static: Store = new Map();
  /** By step, what nobody reads afterwards. */
  readonly #spent: readonly (readonly Value[])[];
  #disposed = false;

  constructor(
    engine: Engine,
    schedule: Schedule,
    kernelFor: (node: Node) => TfjsKernel,
    variables: Map<Variable, Tensor>,
    onDispose: () => void,
  ) {
    this.#engine = engine;
    this.#schedule = schedule;
    this.#kernelFor = kernelFor;
    this.#variables = variables;
    this.#onDispose = onDispose;
    const { steps, prelude, outputs, updates, stored } = schedule;
    const fixed = new Set(prelude.flatMap((step) => step.outputs));
    this.memory = planMemory({
      steps,
      bytesOf: ({ shape }) => 4 * sizeOf(shape),
      alignment: 4,
      after: [...outputs, ...updates.map(({ value }) => ['', value] as const)].map(([, value]) => stored(value)),
      elsewhere: (value) => value.origin.kind !== 'node' || fixed.has(value),
    });
    const spent = steps.map((): Value[] => []);
    for (const { value, last } of this.memory.placements.values()) spent[last]?.push(value);
    this.#spent = spent;
  }

  async run({ feeds, fetch, prelude, profile, signal }: RunRequest): Promise<RunResult> {
    if (this.#disposed) throw new ShoalError('DISPOSED', { op: 'run', fact: 'the program was disposed', next: 'Compile it again' });
    checkEngine(this.#engine, 'run');
    const { tf } = this.#engine;
    const { updates } = this.#schedule;
    const values: Store = new Map();
    try {
      for (const [value, data] of feeds) values.set(value, tf.keep(upload(tf, value, data)));
      if (prelude) await this.#prepare(signal);
      const { nanoseconds, times } = await this.#steps(values, profile, signal);
      const fetched = new Map<Value, TensorData>();
      for (const value of fetch) fetched.set(value, await download(this.#tensor(value, values), value.dtype));
      const updated = updates.map(({ variable, value }) => [variable, tf.keep(tf.clone(this.#tensor(value, values)))] as const);
      for (const [variable, tensor] of updated) {
        this.#variables.get(variable)?.dispose();
        this.#variables.set(variable, tensor);
      }
      return { values: fetched, nanoseconds, ...(profile ? { steps: times } : {}) };
    } finally {
      clear(values);
    }
  }

  dispose(): void {
    this.#disposed = true;
    clear(this.#static);
    clear(this.#constants);
    this.#onDispose();
  }

  /** Computes what depends on variables alone. */
  async #prepare(signal: AbortSignal | undefined): Promise<void> {
    clear(this.#static);
    for (const step of this.#schedule.prelude) {
      throwIfAborted(signal, 'run');
      await this.#execute(step, this.#static);
    }
  }

  async #steps(
    values: Store,
    profile: boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly nanoseconds: number; readonly times: readonly StepTime[] }> {
    const times: StepTime[] = [];
    let [milliseconds, sincePause] = [0, 0];
    for (const [at, step] of this.#schedule.steps.entries()) {
      throwIfAborted(signal, 'run');
      const started = performance.now();
      const result = await this.#execute(step, values);
      if (profile || at === this.#schedule.steps.length - 1) await settle(this.#engine, result);
      const elapsed = performance.now() - started;
      times.push({ op: step.node.op.name, step, nanoseconds: elapsed * 1e6 });
      milliseconds += elapsed;
      sincePause += elapsed;
      for (const value of this.#spent[at]!) {
        values.get(value)?.dispose();
        values.delete(value);
      }
      if (sincePause > pauseAfter) {
        await new Promise((resolve) => setTimeout(resolve));
        sincePause = 0;
      }
    }
    return { nanoseconds: milliseconds * 1e6, times };
  }

  #tensor(value: Value, values: Store): Tensor {
    const found = values.get(value) ?? this.#static.get(value) ?? this.#constants.get(value);
    if (found) return found;
    if (value.origin.kind !== 'constant') return this.#variables.get(value as Variable)!;
    const { tf } = this.#engine;
    const tensor = tf.keep(upload(tf, value, value.origin.data));
    this.#constants.set(value, tensor);
    return tensor;
  }

  /** Runs one step and keeps what it makes; gives one of its results. */
  async #execute({ node, inputs: read, outputs }: Step, results: Store): Promise<Tensor> {
    const { tf } = this.#engine;
    const kernel = this.#kernelFor(node);
    const site = siteOf(node);
    // Kernels declare no fusion, so every input is stored; it may be stored under another shape.
    const stored = node.inputs.map((_, i) => this.#tensor(read[i]!, results));
    const host: (TensorData | undefined)[] = node.inputs.map(() => undefined);
    for (const i of kernel.reads?.(site, this.#engine) ?? []) host[i] = await download(stored[i]!, node.inputs[i]!.dtype);
    checkEngine(this.#engine, node.op.name);
    const made = tf.tidy(() => {
      const inputs = stored.map((tensor, i) => tf.reshape(tensor, [...node.inputs[i]!.shape]));
      const run = (): readonly Tensor[] =>
        kernel.run({ engine: this.#engine, tf, inputs, host, outputs: site.outputs, attributes: site.attributes });
      const empty = site.outputs.every(({ shape }) => sizeOf(shape) === 0);
      const tensors = empty ? site.outputs.map((type) => filled(tf, type, 0)) : attempt(node, run);
      return tensors.map((tensor) => (inputs.includes(tensor) ? tf.clone(tensor) : tensor));
    });
    outputs.forEach((value, i) => {
      if (value) results.set(value, tf.keep(made[i]!));
      else made[i]!.dispose();
    });
    return made.find((_, i) => outputs[i] !== null)!;
  }
}

function attempt<T>(node: Node, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause;
    const fact = `TensorFlow.js failed: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new ShoalError('DEVICE', { op: node.op.name, fact, cause });
  }
}

function clear(tensors: Store): void {
  for (const tensor of tensors.values()) tensor.dispose();
  tensors.clear();
}
