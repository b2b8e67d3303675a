/**
 * Stable codes to match on. The message of an error may be reworded; its code may not.
 *
 * - `SHAPE` shapes or sizes do not fit; `DTYPE` an element type does not; `ATTRIBUTE` an option is unknown or out of range
 * - `GRAPH` the graph or program is malformed; `GRADIENT` a derivative is missing
 * - `KERNEL` a backend has no kernel for an op; `UNSUPPORTED` the engine lacks something the backend needs
 * - `FEED` an input was not fed, or fed wrongly; `MEMORY` a plan or an allocation does not fit; `DEVICE` the device failed
 * - `ABORTED` the caller's signal fired; `DISPOSED` the runtime is gone
 */
export type ErrorCode =
  | 'SHAPE'
  | 'DTYPE'
  | 'ATTRIBUTE'
  | 'GRAPH'
  | 'GRADIENT'
  | 'KERNEL'
  | 'UNSUPPORTED'
  | 'FEED'
  | 'MEMORY'
  | 'DEVICE'
  | 'ABORTED'
  | 'DISPOSED';

export interface ErrorParts {
  /** Who complains: an op (`pool/max`), a function (`gradients`) or a backend (`backend-wasm`). */
  readonly op: string;
  /** What is the case, with the numbers: `window 5x5 is larger than the padded input 4x4`. */
  readonly fact: string;
  /** What to do about it: `Use a smaller window, or pad`. */
  readonly next?: string;
  readonly cause?: unknown;
}

/** Every error Shoal throws on purpose: `op: fact. Next step.` with a stable {@link ErrorCode}. */
export class ShoalError extends Error {
  readonly code: ErrorCode;
  readonly op: string;

  constructor(code: ErrorCode, { op, fact, next, cause }: ErrorParts) {
    super(`${op}: ${fact}.${next ? ` ${next}.` : ''}`, cause === undefined ? undefined : { cause });
    this.name = 'ShoalError';
    this.code = code;
    this.op = op;
  }
}

/** Thrown by an op's `infer`: the shapes, windows or paddings do not fit together. */
export class ShapeError extends ShoalError {
  constructor(parts: ErrorParts) {
    super('SHAPE', parts);
    this.name = 'ShapeError';
  }
}

/** Narrows away `undefined` where the surrounding code has already made sure. */
export function defined<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null)
    throw new ShoalError('GRAPH', { op: 'shoal', fact: `${what} is missing (an internal invariant)` });
  return value;
}

/** Throws `ABORTED` when the caller's signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, op: string): void {
  if (signal?.aborted)
    throw new ShoalError('ABORTED', {
      op,
      fact: 'the run was aborted by its signal',
      next: 'Variables are as they were: run again when ready',
      cause: signal.reason,
    });
}
