/** Bytes at the start of every memory that belong to the pool. Memory plans begin behind them. */
export const CONTROL_BYTES = 1024;

/** How many numbers a run can hand to its entry function. */
export const MAXIMUM_ARGUMENTS = 16;

/** Byte addresses of the control words. Words that different threads write are on cache lines of their own. */
export const control = {
  /** Counts commands; workers sleep on it. */
  epoch: 0,
  /** Threads other than 0 that have finished the present run. */
  finished: 64,
  /** 0, or 1 + the number of the thread that trapped first. */
  trapped: 128,
  /** Set by the caller's thread to stop a run. */
  abortRequested: 192,
  /** Set at a barrier, by the last thread to arrive: from there on all threads see it, and none did before. */
  aborted: 256,
  arrived: 320,
  generation: 384,
  sleepers: 448,
  /** How often a waiting thread looks before it sleeps. Written once. */
  spins: 512,
  /** The command: kind, module, entry, number of arguments (i32 words), then the arguments (f64). */
  command: 576,
  arguments: 592,
  /** 1 once a thread has begun the present run, and when that was (f64, nanoseconds). */
  begun: 768,
  begunAt: 776,
} as const;

export type ControlLayout = typeof control;

export const commandKind = { run: 1, listen: 2, exit: 3 } as const;

export type CommandKinds = typeof commandKind;
