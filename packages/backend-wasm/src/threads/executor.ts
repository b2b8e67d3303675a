import { ShoalError } from '@shoal/core';
import { MAXIMUM_ARGUMENTS } from './control.ts';

/** A module that an executor has instantiated. */
export interface ModuleHandle {
  readonly id: number;
  /** The module's exports, in its order. */
  readonly exports: readonly string[];
}

export interface RunOptions {
  /** Stops a run at its next abort check; a run that has not begun does not begin. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunReport {
  /** Wall time on thread 0, from its start until every thread has finished. */
  readonly nanoseconds: number;
  /** The signal stopped the run before its end: what it was to write is undefined. */
  readonly aborted: boolean;
}

/** Runs exported functions of modules over one memory. Calls are served one after another. */
export interface Executor {
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  /**
   * Instantiates a module for every thread, with `env.memory` and, under the names of `imports`, the exports of modules loaded before.
   *
   * @throws {ShoalError} `DEVICE` where it does not link
   */
  load(module: WebAssembly.Module, imports?: Readonly<Record<string, ModuleHandle>>): Promise<ModuleHandle>;
  /** Lets go of a module's instances. */
  unload(handle: ModuleHandle): Promise<void>;
  /**
   * Calls `entry(threadId, threadCount, ...args)` on every thread and waits for all of them.
   *
   * @throws {ShoalError} `DEVICE` where a thread traps, with the engine's message, or a worker dies: what the run was to write is undefined
   *   then, and the next call starts the threads anew, over the same memory; `DISPOSED` after {@link dispose}
   */
  run(handle: ModuleHandle, entry: string, args?: readonly number[], options?: RunOptions): Promise<RunReport>;
  /** Ends the threads. A second call does nothing. */
  dispose(): Promise<void>;
}

export const OP = 'backend-wasm';

/** Position of an entry in its module. */
export function entryIndex(handle: ModuleHandle, entry: string, args: readonly number[]): number {
  const index = handle.exports.indexOf(entry);
  if (index < 0)
    throw new ShoalError('DEVICE', { op: OP, fact: `the module exports no ${entry}, only ${handle.exports.join(', ') || 'nothing'}` });
  if (args.length > MAXIMUM_ARGUMENTS)
    throw new ShoalError('DEVICE', { op: OP, fact: `${entry} gets ${args.length} arguments, more than ${MAXIMUM_ARGUMENTS}` });
  return index;
}

export const disposed = (): ShoalError =>
  new ShoalError('DISPOSED', { op: OP, fact: 'the threads were ended by dispose()', next: 'Create a new runtime' });

export const trapped = (entry: string, thread: number, cause: unknown): ShoalError =>
  new ShoalError('DEVICE', {
    op: OP,
    fact: `${entry} trapped on thread ${thread}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  });

export const unlinked = (cause: unknown): ShoalError =>
  new ShoalError('DEVICE', { op: OP, fact: `a module does not link: ${cause instanceof Error ? cause.message : String(cause)}`, cause });

export const exportNames = (module: WebAssembly.Module): readonly string[] => WebAssembly.Module.exports(module).map(({ name }) => name);
