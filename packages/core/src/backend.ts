import type { Node, OpSite, Value, Variable } from './graph.ts';
import type { Kernel, KernelSet, Support } from './kernel.ts';
import type { MemoryPlan } from './passes/memory.ts';
import type { Schedule, Step } from './passes/schedule.ts';
import type { HostArray, TensorData } from './tensor.ts';

/**
 * What a backend is: a name, kernels for the structural ops, and a way to open a device. It knows no other op; kernels of
 * plugins are handed to `createRuntime`. See `createRuntime` for what is built on top of it.
 */
export interface Backend<K extends Kernel> {
  readonly name: string;
  /** Kernels for the structural ops of core. */
  readonly kernels: KernelSet<K>;
  /** What the engine itself cannot do, whatever the kernel says. */
  readonly supports?: (kernel: K, site: OpSite<never>) => Support;
  /** Opens the device. Throws `UNSUPPORTED` with the reason where there is none. */
  open(): Promise<Device<K>>;
}

/** Facts about an open device, for people and for benchmark records. */
export interface DeviceInfo {
  readonly backend: string;
  readonly device: string;
  readonly threads: number;
  /** Which clock `nanoseconds` of a run come from. */
  readonly clock: string;
  /** What changes bits or speed: `fma`, `wide`, `isolated`... */
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  /** Things the user should know: `one thread: this page is not cross-origin isolated`. */
  readonly notes: readonly string[];
}

/** What one launch of a step asks of a device, as far as its kernel's text says it. */
export interface LaunchCount {
  readonly workgroups: number;
  /** Of one workgroup. */
  readonly threads: number;
  /** Memory that the threads of a workgroup share. */
  readonly workgroupBytes: number;
  /** Sums that a thread of a matrix product keeps in registers; 0 for other launches. */
  readonly accumulators: number;
  /** Of a matrix product, with the parts of tiles that lie outside of it; 0 for other launches. */
  readonly multiplyAccumulates: number;
  /** Of the tensors that it reads and of those that it writes, each whole and once. */
  readonly bytes: number;
}

/** What a step of a schedule asks of a device, launch by launch. */
export interface StepCount {
  readonly step: Step;
  readonly launches: readonly LaunchCount[];
}

/** An open device. Calls on it are made one at a time, but for runs that say they were submitted: the next call may come before their results. */
export interface Device<K extends Kernel> {
  readonly info: DeviceInfo;
  /** Prepares a schedule for running. Every variable of the schedule has been written before. Without `tune` it times nothing. */
  compile(schedule: Schedule, kernelFor: (node: Node) => K, tune: boolean): Promise<DeviceProgram>;
  /** The memory that `compile` would plan, without anything being made; needs no variable. Where it is missing, `compile` is asked. */
  plan?(schedule: Schedule, kernelFor: (node: Node) => K): MemoryPlan;
  /** What the steps of a run would ask of the device, without anything being made. */
  count?(schedule: Schedule, kernelFor: (node: Node) => K): readonly StepCount[];
  /** Copies a variable's contents out. */
  read(variable: Variable): Promise<TensorData>;
  /** Sets a variable's contents; the first write allocates it. */
  write(variable: Variable, data: TensorData): Promise<void>;
  dispose(): Promise<void>;
}

export interface RunRequest {
  readonly feeds: ReadonlyMap<Value, TensorData>;
  /** Stored tensors to copy out. */
  readonly fetch: readonly Value[];
  /** Arrays of their size to copy some of them into; a device may give arrays of its own all the same. */
  readonly into: ReadonlyMap<Value, TensorData>;
  /** Whether what depends on variables alone must be computed first. */
  readonly prelude: boolean;
  /** Measure each step; may slow the run down. */
  readonly profile: boolean;
  readonly signal: AbortSignal | undefined;
  /**
   * To be called once the device has this run in its queue, after which whatever it is asked comes later by itself. A device whose
   * runs never call it is left alone until they are done.
   */
  readonly submitted: () => void;
}

export interface StepTime {
  readonly op: string;
  /** The step of the schedule; absent for what a device does beside it, such as copying new values into variables. */
  readonly step?: Step;
  readonly nanoseconds: number;
}

/** What it costs the host to hand a run to a device that works by itself. */
export interface Encoding {
  readonly dispatches: number;
  /** Of the calling thread, from the first command to the submit. */
  readonly nanoseconds: number;
}

export interface RunResult {
  readonly values: ReadonlyMap<Value, TensorData>;
  /** Time of the steps on the device, without feeding and fetching. */
  readonly nanoseconds: number;
  readonly steps?: readonly StepTime[];
  readonly encoding?: Encoding;
}

/** Which of a kernel's variants runs. All have the same bits; which is fastest depends on the device. */
export interface TunedKernel {
  /** The op and the sizes it was printed for. */
  readonly kernel: string;
  /** How many launches of the program it is. */
  readonly launches: number;
  readonly variant: string;
  /** Timed while this program was compiled, chosen before, or neither: the estimate, for want of time. */
  readonly by: 'timing' | 'earlier timing' | 'estimate';
}

/** Bytes that a compiled program holds beside its arena and the variables, whether it runs or not. */
export interface ResidentBytes {
  /** What depends on variables alone and is kept, such as packed weights, with the room in which it is computed. */
  readonly derived: number;
  readonly constants: number;
  /** Code as the backend handed it to its engine. What an engine makes of it is not known. */
  readonly code: number;
}

/** A compiled program on a device. */
export interface DeviceProgram {
  readonly memory: MemoryPlan;
  /** Absent where nothing is chosen by timing. */
  readonly tuned?: readonly TunedKernel[];
  /** Absent where the device does not say. */
  readonly resident?: ResidentBytes;
  /**
   * The place of an input in the device's memory, where the host reaches that; `run` recognises an array that lies there and copies nothing.
   * Undefined for an input that has no place.
   */
  view?(input: Value): HostArray | undefined;
  run(request: RunRequest): Promise<RunResult>;
  dispose(): void;
}
