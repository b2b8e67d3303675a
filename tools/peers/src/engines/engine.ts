import type { PortableWork } from '../portable/graph.ts';
import type { Amount } from '../works/index.ts';

/** How an engine was set up. */
export interface EngineInfo {
  readonly version: string;
  readonly threads: number;
  /** What the times come from. */
  readonly clock: string;
  /** What changes speed or bits. `software: true` is a GPU's API computed on the CPU: its times say nothing about a GPU. */
  readonly flags: Readonly<Record<string, string | number | boolean>>;
}

/** Which work is meant: by name for engines that build it themselves, and as a file (`portable/file.ts`) for the others. */
export interface WorkOrder {
  readonly id: string;
  /** Absent where the work has no portable form; `reason` says why. */
  readonly file?: string;
  readonly reason?: string;
  /** The same as an ONNX model, where an engine that cannot make it takes part and it has one. */
  readonly onnx?: string;
  readonly amount: Amount;
}

/** A work as an engine gets it. */
export interface OrderedWork extends WorkOrder {
  /** @throws Unsupported where it has no portable form */
  readonly portable: () => Promise<PortableWork>;
}

/** Times of one run, the mean over the runs of a sample. */
export interface Sample {
  /** Around the call. */
  readonly nanoseconds: number;
  /** Of it, with all operands in the engine's memory; engines whose operands always are leave it out. */
  readonly deviceNanoseconds?: number;
}

/** A piece of work that an engine is ready to do. */
export interface Prepared {
  /**
   * What engines are compared by; see `programs.ts`. Null for an engine that computes nothing. Called before the first sample and, except for
   * training, once more after the last.
   */
  results(): Promise<readonly Float32Array[] | null>;
  sample(runs: number): Promise<Sample>;
  release(): Promise<void>;
  /** What was chosen for this work, such as a memory format. */
  readonly note?: string;
}

/** One engine, alone in a process. */
export interface Engine {
  readonly info: EngineInfo;
  /** @throws Unsupported where the engine cannot do the work */
  prepare(order: OrderedWork): Promise<Prepared>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly threads: number;
  /** Which of the engine's kinds: the module in `page/` that a page runs, or how CUDA computes. */
  readonly variant?: string;
}

/** What a module in this folder exports. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;

/** The engine lacks something: a finding, not a failure. */
export class Unsupported extends Error {}

/** Times `runs` runs that follow each other. A run may give the time of it with all operands in place. */
export async function timeRuns(runs: number, run: () => number | void | Promise<number | void>): Promise<Sample> {
  let device = 0;
  let measured = false;
  const start = performance.now();
  for (let i = 0; i < runs; i++) {
    const nanoseconds = await run();
    if (nanoseconds === undefined) continue;
    measured = true;
    device += nanoseconds;
  }
  const nanoseconds = ((performance.now() - start) * 1e6) / runs;
  return measured ? { nanoseconds, deviceNanoseconds: device / runs } : { nanoseconds };
}
