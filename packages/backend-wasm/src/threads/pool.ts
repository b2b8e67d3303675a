import { ShoalError } from '@shoal/core';
import { commandKind, control, CONTROL_BYTES } from './control.ts';
import { disposed, entryIndex, exportNames, OP, trapped, unlinked } from './executor.ts';
import type { Executor, ModuleHandle, RunOptions, RunReport } from './executor.ts';
import { processors, spawn } from './host.ts';
import type { Host } from './host.ts';
import type { FromWorker, ToWorker } from './protocol.ts';

export interface PoolOptions {
  /** Number of workers, at least 1. None of them is the caller's thread. */
  readonly threads: number;
  /** A shared memory; its first {@link CONTROL_BYTES} bytes belong to the pool. */
  readonly memory: WebAssembly.Memory;
  /**
   * How often an early thread looks before it sleeps. Default: about 30 microseconds' worth where every thread has a processor of its own,
   * else 0, for a thread that looks would keep the late one from running.
   */
  readonly spins?: number;
}

const SPINS = 40_000;

/** What the workers are to answer before the next command. */
interface Pending {
  answer(message: FromWorker): void;
  /** What to do when a worker dies before. */
  readonly next?: string;
  fail(error: ShoalError): void;
}

/** Starts workers over one shared memory. @throws {ShoalError} `UNSUPPORTED` where the memory is not shared, `DEVICE` where no worker starts */
export async function createPool({ threads, memory, spins = threads <= processors() ? SPINS : 0 }: PoolOptions): Promise<Executor> {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new ShoalError('ATTRIBUTE', { op: OP, fact: `threads is ${threads}`, next: 'Pass an integer of at least 1' });
  }
  if (typeof SharedArrayBuffer !== 'function' || !(memory.buffer instanceof SharedArrayBuffer)) {
    throw new ShoalError('UNSUPPORTED', {
      op: OP,
      fact: 'threads need a shared memory',
      next: 'Serve the page cross-origin isolated, or use one thread',
    });
  }
  const pool = new Pool(threads, memory, spins);
  try {
    await pool.start();
  } catch (error) {
    await pool.dispose();
    throw error;
  }
  return pool;
}

class Pool implements Executor {
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  /** What workers that replace others have to load, in this order. */
  readonly #modules = new Map<number, ToWorker>();
  #hosts: readonly Host[] = [];
  /** Why the present workers are of no use any more. */
  #failure: unknown;
  #disposed = false;
  #pending: Pending | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #loaded = 0;

  constructor(threads: number, memory: WebAssembly.Memory, spins: number) {
    this.threads = threads;
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer, 0, CONTROL_BYTES / 4);
    this.#numbers = new Float64Array(memory.buffer, 0, CONTROL_BYTES / 8);
    this.#words.fill(0);
    this.#words[control.spins / 4] = spins;
  }

  /** Starts the workers, as any call does that finds none: they are under way when this returns. */
  start(): Promise<void> {
    return this.#next(this.#serve(async () => undefined));
  }

  load(module: WebAssembly.Module, imports: Readonly<Record<string, ModuleHandle>> = {}): Promise<ModuleHandle> {
    return this.#queue(async () => {
      const handle: ModuleHandle = { id: ++this.#loaded, exports: exportNames(module) };
      const links = Object.entries(imports).map(([name, { id }]) => [name, id] as const);
      const message: ToWorker = { type: 'load', id: handle.id, module, entries: handle.exports, imports: links };
      await this.#send(message);
      this.#modules.set(handle.id, message);
      return handle;
    });
  }

  unload({ id }: ModuleHandle): Promise<void> {
    return this.#queue(() => {
      this.#modules.delete(id);
      return this.#send({ type: 'unload', id });
    });
  }

  run(handle: ModuleHandle, entry: string, args: readonly number[] = [], { signal }: RunOptions = {}): Promise<RunReport> {
    return this.#queue(async () => {
      const index = entryIndex(handle, entry, args);
      if (signal?.aborted) return { nanoseconds: 0, aborted: true };
      for (const word of ['begun', 'finished', 'trapped', 'abortRequested', 'aborted', 'arrived', 'generation', 'sleepers'] as const)
        this.#words[control[word] / 4] = 0;
      this.#words.set([handle.id, index, args.length], control.command / 4 + 1);
      this.#numbers.set(args, control.arguments / 8);
      const abort = (): number => Atomics.store(this.#words, control.abortRequested / 4, 1);
      signal?.addEventListener('abort', abort);
      try {
        const nanoseconds = await this.#finished(entry);
        return { nanoseconds, aborted: Atomics.load(this.#words, control.aborted / 4) !== 0 };
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#pending?.fail(disposed());
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#command(commandKind.exit);
    await Promise.all(this.#hosts.map((host) => host.terminate()));
  }

  /** Starts workers in place of none, or of a team that has lost one: those that are left wait for it, and none may write any more. */
  async #replace(): Promise<void> {
    if (this.#hosts.length > 0) await this.#end();
    if (this.#disposed) throw disposed();
    try {
      this.#hire();
      await this.#acknowledged((post) =>
        this.#hosts.forEach((host, thread) =>
          post(host, { type: 'init', memory: this.memory, thread, threadCount: this.threads, control, kinds: commandKind }),
        ),
      );
      for (const message of this.#modules.values()) await this.#send(message);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  #hire(): void {
    const team: Host[] = [];
    // An end that is reported late concerns nobody any more.
    const events = {
      message: (message: FromWorker): void => {
        if (this.#hosts === team) this.#pending?.answer(message);
      },
      failure: (cause: unknown): void => {
        if (this.#hosts === team) this.#fail(cause);
      },
    };
    this.#hosts = team;
    this.#failure = undefined;
    try {
      while (team.length < this.threads) team.push(spawn(events));
    } catch (cause) {
      throw new ShoalError('DEVICE', {
        op: OP,
        fact: 'workers cannot be made here',
        next: 'Allow them in worker-src of the content-security policy, or use one thread',
        cause,
      });
    }
    for (const host of team) host.hold(true);
  }

  /** Runs tasks one after another; the workers keep the process alive while one is under way. */
  #queue<T>(task: () => Promise<T>): Promise<T> {
    return this.#next(this.#turn.then(() => this.#serve(task)));
  }

  #next<T>(turn: Promise<T>): Promise<T> {
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #serve<T>(task: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw disposed();
    try {
      if (this.#hosts.length === 0 || this.#failure !== undefined) await this.#replace();
      for (const host of this.#hosts) host.hold(true);
      return await task();
    } finally {
      for (const host of this.#hosts) host.hold(false);
      this.#pending = undefined;
    }
  }

  /** Calls the workers out of their sleep. */
  #command(kind: number): void {
    this.#words[control.command / 4] = kind;
    Atomics.add(this.#words, control.epoch / 4, 1);
    Atomics.notify(this.#words, control.epoch / 4);
  }

  async #send(message: ToWorker): Promise<void> {
    await this.#acknowledged((post) => {
      for (const host of this.#hosts) post(host, message);
      this.#command(commandKind.listen);
    });
  }

  /** Sends messages and waits until every worker has taken its own. */
  #acknowledged(send: (post: (host: Host, message: ToWorker) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let missing = this.threads;
      let refusal: ShoalError | undefined;
      const answer = (message: FromWorker): void => {
        if (message.type === 'refused') refusal ??= unlinked(remote(message));
        if (message.type !== 'refused' && message.type !== 'ready') return;
        if (--missing > 0) return;
        if (refusal) reject(refusal);
        else resolve();
      };
      this.#expect({ answer, fail: reject });
      send((host, message) => host.post(message));
    });
  }

  /** Starts the run that was prepared; the nanoseconds from the first thread to begin until all are done. */
  #finished(entry: string): Promise<number> {
    return new Promise((resolve, reject) => {
      let done: number | undefined;
      let trap: ShoalError | undefined;
      const answer = (message: FromWorker): void => {
        if (message.type === 'done') done = message.nanoseconds;
        if (message.type === 'trap') trap = trapped(entry, message.thread, remote(message));
        // The trap's message and the end come from different workers, in any order; the flag says whether to wait for it.
        if (done === undefined) return;
        if (trap) reject(trap);
        else if (Atomics.load(this.#words, control.trapped / 4) === 0) resolve(done);
      };
      this.#expect({ answer, fail: reject, next: 'Run again; variables that it writes are undefined' });
      this.#command(commandKind.run);
    });
  }

  #expect(pending: Pending): void {
    this.#pending = pending;
    // What happened between two messages, when nobody waited.
    if (this.#disposed) pending.fail(disposed());
    else if (this.#failure !== undefined) this.#fail(this.#failure);
  }

  #fail(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause);
    this.#failure = cause ?? text;
    const next = this.#pending?.next;
    this.#pending?.fail(new ShoalError('DEVICE', { op: OP, fact: `a worker failed: ${text}`, ...(next ? { next } : {}), cause }));
  }
}

/** An error of a worker, with its stack: the names of the functions that trapped stand there. */
function remote({ message, stack }: { readonly message: string; readonly stack: string }): Error {
  const error = new Error(message);
  if (stack) error.stack = stack;
  return error;
}
