import type { Backend, Device, DeviceProgram, RunRequest, StepTime } from '../backend.ts';
import { throwIfAborted } from '../errors.ts';
import type { Node, Value, Variable } from '../graph.ts';
import { planMemory, type Schedule, type Step } from '../passes/index.ts';
import { exactArray, sizeOf, type TensorData } from '../tensor.ts';
import type { ReferenceKernel, ReferenceTensor } from './kernel.ts';
import { structuralReference } from './structural.ts';

/** The backend that defines the others: each op's reference kernel, in float64, one after the other on the calling thread. */
export function reference(): Backend<ReferenceKernel> {
  return { name: 'reference', kernels: structuralReference, open: () => Promise.resolve(new ReferenceDevice()) };
}

type Store = Map<Value, ReferenceTensor['data']>;

class ReferenceDevice implements Device<ReferenceKernel> {
  readonly info = { backend: 'reference', device: 'JavaScript, float64', threads: 1, clock: 'performance.now', flags: {}, notes: [] };
  readonly #variables: Store = new Map();

  compile(schedule: Schedule, kernelFor: (node: Node) => ReferenceKernel): Promise<DeviceProgram> {
    return Promise.resolve(new ReferenceProgram(schedule, kernelFor, this.#variables));
  }

  read(variable: Variable): Promise<TensorData> {
    return Promise.resolve(this.#variables.get(variable)!.slice());
  }

  write(variable: Variable, data: TensorData): Promise<void> {
    this.#variables.set(variable, exactCopy(variable, data));
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    this.#variables.clear();
    return Promise.resolve();
  }
}

function exactCopy(value: Value, data: TensorData): ReferenceTensor['data'] {
  const copy = exactArray(value.dtype, sizeOf(value.shape));
  copy.set(data);
  return copy;
}

class ReferenceProgram implements DeviceProgram {
  readonly memory;
  readonly #schedule: Schedule;
  readonly #kernelFor: (node: Node) => ReferenceKernel;
  readonly #variables: Store;
  readonly #static: Store = new Map();

  constructor(schedule: Schedule, kernelFor: (node: Node) => ReferenceKernel, variables: Store) {
    this.#schedule = schedule;
    this.#kernelFor = kernelFor;
    this.#variables = variables;
    const fixed = new Set(schedule.prelude.flatMap((step) => step.outputs));
    this.memory = planMemory({
      steps: schedule.steps,
      bytesOf: ({ shape, dtype }) => sizeOf(shape) * (dtype === 'f32' ? 8 : 4),
      alignment: 8,
      after: schedule.outputs.map(([, value]) => schedule.stored(value)),
      elsewhere: (value) => value.origin.kind !== 'node' || fixed.has(value),
    });
  }

  async run({ feeds, fetch, prelude, profile, signal }: RunRequest) {
    const started = performance.now();
    const times: StepTime[] = [];
    const values: Store = new Map([...feeds].map(([value, data]) => [value, exactCopy(value, data)]));
    if (prelude) for (const step of this.#schedule.prelude) this.#execute(step, this.#static);
    for (const step of this.#schedule.steps) {
      throwIfAborted(signal, 'run');
      const before = performance.now();
      this.#execute(step, values);
      if (profile) times.push({ op: step.node.op.name, step, nanoseconds: (performance.now() - before) * 1e6 });
    }
    const fetched = new Map(fetch.map((value) => [value, this.#data(value, values).slice()]));
    const updated = this.#schedule.updates.map(({ variable, value }) => [variable, this.#data(value, values).slice()] as const);
    updated.forEach(([variable, data]) => this.#variables.set(variable, data));
    return { values: fetched, nanoseconds: (performance.now() - started) * 1e6, ...(profile ? { steps: times } : {}) };
  }

  dispose(): void {
    this.#static.clear();
  }

  #data(value: Value, values: Store): ReferenceTensor['data'] {
    if (value.origin.kind === 'constant') return value.origin.data;
    return values.get(value) ?? this.#static.get(value) ?? this.#variables.get(value)!;
  }

  #execute(step: Step, values: Store): void {
    const { node } = step;
    // Reference kernels declare no fusion, so every input is stored and no step has an epilogue.
    const inputs = node.inputs.map(({ shape, dtype }, i) => ({ shape, dtype, data: this.#data(step.inputs[i]!, values) }));
    const outputs = node.outputs.map(({ shape, dtype }) => ({ shape, dtype, data: exactArray(dtype, sizeOf(shape)) }));
    this.#kernelFor(node).run({ inputs, outputs, attributes: node.attributes as never });
    step.outputs.forEach((value, i) => {
      if (value) values.set(value, outputs[i]!.data);
    });
  }
}
