import {
  hostArray,
  planMemory,
  sizeOf,
  throwIfAborted,
  type Backend,
  type Device,
  type DeviceProgram,
  type Node,
  type RunRequest,
  type RunResult,
  type Schedule,
  type Step,
  type TensorData,
  type TensorType,
  type Value,
  type Variable,
} from '@shoal/core';
import type { ToyKernel, ToyTensor } from './kernel.ts';
import { kernels } from './structural.ts';

/** Float32 in JavaScript, one step after the other, in one arena laid out by core's memory plan. */
export function toy(): Backend<ToyKernel> {
  return { name: 'toy', kernels, open: () => Promise.resolve(new ToyDevice()) };
}

type Stored = Map<Value, ToyTensor['data']>;

class ToyDevice implements Device<ToyKernel> {
  readonly info = { backend: 'toy', device: 'JavaScript, float32', threads: 1, clock: 'performance.now', flags: {}, notes: [] };
  readonly #variables: Stored = new Map();

  compile(schedule: Schedule, kernelFor: (node: Node) => ToyKernel): Promise<DeviceProgram> {
    return Promise.resolve(new ToyProgram(schedule, kernelFor, this.#variables));
  }

  read(variable: Variable): Promise<TensorData> {
    return Promise.resolve(this.#variables.get(variable)!.slice());
  }

  write(variable: Variable, data: TensorData): Promise<void> {
    this.#variables.set(variable, rounded(variable, data));
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    this.#variables.clear();
    return Promise.resolve();
  }
}

function rounded(value: Value, data: ArrayLike<number>): ToyTensor['data'] {
  const copy = hostArray(value.dtype, sizeOf(value.shape));
  copy.set(data);
  return copy;
}

const views = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

class ToyProgram implements DeviceProgram {
  readonly memory;
  readonly #schedule: Schedule;
  readonly #kernelFor: (node: Node) => ToyKernel;
  readonly #variables: Stored;
  /** Constants, and what the prelude made of variables. */
  readonly #lasting: Stored = new Map();
  readonly #arena: ArrayBuffer;

  constructor(schedule: Schedule, kernelFor: (node: Node) => ToyKernel, variables: Stored) {
    this.#schedule = schedule;
    this.#kernelFor = kernelFor;
    this.#variables = variables;
    const lasting = new Set(schedule.prelude.flatMap((step) => step.outputs));
    this.memory = planMemory({
      steps: schedule.steps,
      bytesOf: ({ shape }) => 4 * sizeOf(shape),
      alignment: 4,
      after: [...schedule.outputs.map(([, value]) => schedule.stored(value)), ...schedule.updates.map(({ value }) => value)],
      elsewhere: (value) => value.origin.kind !== 'node' || lasting.has(value),
    });
    this.#arena = new ArrayBuffer(this.memory.arenaBytes);
  }

  run({ feeds, fetch, prelude, profile, signal }: RunRequest): Promise<RunResult> {
    const started = performance.now();
    const fed: Stored = new Map([...feeds].map(([value, data]) => [value, rounded(value, data)]));
    const times = [];
    if (prelude) {
      for (const step of this.#schedule.prelude) {
        for (const output of step.outputs) if (output) this.#lasting.set(output, hostArray(output.dtype, sizeOf(output.shape)));
        this.#execute(step, fed);
      }
    }
    for (const step of this.#schedule.steps) {
      throwIfAborted(signal, 'run');
      const before = performance.now();
      this.#execute(step, fed);
      times.push({ op: step.node.op.name, nanoseconds: (performance.now() - before) * 1e6 });
    }
    const values = new Map(fetch.map((value) => [value, this.#data(value, fed).slice()]));
    const updated = this.#schedule.updates.map(({ variable, value }) => [variable, this.#data(value, fed).slice()] as const);
    for (const [variable, data] of updated) this.#variables.set(variable, data);
    return Promise.resolve({ values, nanoseconds: (performance.now() - started) * 1e6, ...(profile ? { steps: times } : {}) });
  }

  dispose(): void {
    this.#lasting.clear();
  }

  #execute({ node, inputs, outputs }: Step, fed: Stored): void {
    // No kernel here declares fusion, so every input is stored. An output that nobody reads is written to scratch.
    const tensor = (type: TensorType, value: Value | null): ToyTensor => ({
      shape: type.shape,
      dtype: type.dtype,
      data: value ? this.#data(value, fed) : hostArray(type.dtype, sizeOf(type.shape)),
    });
    this.#kernelFor(node).run({
      inputs: node.inputs.map((type, i) => tensor(type, inputs[i]!)),
      outputs: node.outputs.map((type, i) => tensor(type, outputs[i]!)),
      attributes: node.attributes as never,
    });
  }

  #data(value: Value, fed: Stored): ToyTensor['data'] {
    const known = fed.get(value) ?? this.#lasting.get(value) ?? this.#variables.get(value);
    if (known) return known;
    if (value.origin.kind === 'constant') {
      const data = rounded(value, value.origin.data);
      this.#lasting.set(value, data);
      return data;
    }
    return new views[value.dtype](this.#arena, this.memory.placements.get(value)!.offset, sizeOf(value.shape));
  }
}
