import type { EngineInfo, Sample, WorkOrder } from './engine.ts';

/**
 * How the coordinator talks with an engine's process: one JSON object a line, requests on standard input, replies on file descriptor 3
 * (libraries write to standard output). One request at a time.
 */
export type Request =
  | { readonly call: 'prepare'; readonly order: WorkOrder }
  /** Writes the results into `file`, one array after another, in float32. */
  | { readonly call: 'results'; readonly file: string }
  /** Runs until `milliseconds` have passed, at least `runs` times; answers with the time of the last run. */
  | { readonly call: 'warm'; readonly milliseconds: number; readonly runs: number }
  | { readonly call: 'sample'; readonly runs: number }
  | { readonly call: 'release' }
  | { readonly call: 'close' };

export interface Replies {
  readonly prepare: { readonly note?: string };
  /** Lengths of the arrays; null where there is nothing to compare. */
  readonly results: { readonly lengths: readonly number[] | null };
  readonly warm: Sample;
  readonly sample: Sample;
  readonly release: Record<string, never>;
  readonly close: Record<string, never>;
}

/** The first line is `{ ready }` or an error. */
export type Reply =
  | { readonly ready: EngineInfo }
  | { readonly value: Replies[keyof Replies] }
  | { readonly error: string; readonly unsupported: boolean };
