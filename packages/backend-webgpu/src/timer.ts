import type { Gpu } from './gpu.ts';

/** A query set holds 4096 timestamps. */
export const maxSpans = 2048;

const timestampBytes = (spans: number): number => 16 * spans;

/** Timestamps around compute passes, read back with the results. Runs may share one: the queue ends what one does with it before the next. */
export class Timer {
  readonly spans: number;
  /** Bytes that `resolve` writes at the start of the staging buffer. */
  readonly bytes: number;
  readonly #resolution: number;
  readonly #queries: GPUQuerySet;
  readonly #gpu: Gpu;
  readonly #resolved: GPUBuffer;

  private constructor(gpu: Gpu, spans: number, resolution: number, queries: GPUQuerySet, resolved: GPUBuffer) {
    this.spans = spans;
    this.bytes = timestampBytes(spans);
    this.#resolution = resolution;
    this.#gpu = gpu;
    this.#queries = queries;
    this.#resolved = resolved;
  }

  static async create(gpu: Gpu, spans: number, resolution: number): Promise<Timer> {
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    const queries = await gpu.createTimestamps('run', 2 * spans);
    try {
      return new Timer(gpu, spans, resolution, queries, await gpu.createBuffer('timestamps', 'run', timestampBytes(spans), usage));
    } catch (cause) {
      gpu.destroy(queries);
      throw cause;
    }
  }

  writes(span: number): GPUComputePassTimestampWrites {
    return { querySet: this.#queries, beginningOfPassWriteIndex: 2 * span, endOfPassWriteIndex: 2 * span + 1 };
  }

  resolve(encoder: GPUCommandEncoder, staging: GPUBuffer): void {
    encoder.resolveQuerySet(this.#queries, 0, 2 * this.spans, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, this.bytes);
  }

  /** Nanoseconds of each span, from a mapped staging buffer. A difference below the clock's resolution is reported as that, never as 0. */
  read(staging: GPUBuffer): readonly number[] {
    const times = new BigUint64Array(staging.getMappedRange(0, this.bytes));
    return Array.from({ length: this.spans }, (_, span) => Math.max(this.#resolution, Number(times[2 * span + 1]! - times[2 * span]!)));
  }

  dispose(): void {
    this.#gpu.destroy(this.#queries);
    this.#gpu.destroy(this.#resolved);
  }
}

/** Browsers coarsen `performance.now`: to 5 microseconds, or to 100 in a page that is not cross-origin isolated. */
export function wallNanoseconds(milliseconds: number): number {
  const resolution = typeof process === 'object' ? 1 : globalThis.crossOriginIsolated ? 5000 : 100_000;
  return Math.max(resolution, milliseconds * 1e6);
}
