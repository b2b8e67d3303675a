import { ShoalError } from '@shoal/core';
import { PAGE_BYTES } from './encoder/index.ts';

/** Every address is a multiple of this: a cache line. */
export const ALIGNMENT = 64;

/** 32-bit addresses end here. */
export const ADDRESS_SPACE = 2 ** 32;

/** Kept free at the end, because vectors are read whole where a tensor ends. */
const SLACK = 64;

interface Range {
  readonly start: number;
  readonly end: number;
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Blocks of one WebAssembly memory, which grows as they are asked for. First fit; freed neighbours join. */
export class Allocator {
  readonly memory: WebAssembly.Memory;
  readonly #limit: number;
  readonly #sizes = new Map<number, number>();
  #free: Range[];

  /** @param reserved bytes at the start that are never given out */
  constructor(memory: WebAssembly.Memory, limit: number, reserved: number) {
    this.memory = memory;
    this.#limit = limit;
    this.#free = [{ start: align(reserved), end: limit - SLACK }];
  }

  /** Bytes given out. */
  get used(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  /**
   * The address of a new block, a multiple of 64. Its contents are undefined.
   *
   * @throws ShoalError `MEMORY` with the numbers where the block does not fit
   */
  allocate(bytes: number, what: string): number {
    const size = align(Math.max(bytes, 1));
    const at = this.#free.findIndex(({ start, end }) => end - start >= size);
    if (at < 0) throw this.#full(bytes, what);
    const { start, end } = this.#free[at]!;
    this.#grow(start + size + SLACK, bytes, what);
    this.#free.splice(at, 1, ...(end - start > size ? [{ start: start + size, end }] : []));
    this.#sizes.set(start, size);
    return start;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) return;
    this.#sizes.delete(address);
    const ranges = [...this.#free, { start: address, end: address + size }].toSorted((a, b) => a.start - b.start);
    this.#free = [];
    for (const range of ranges) {
      const last = this.#free.at(-1);
      if (last?.end === range.start) this.#free[this.#free.length - 1] = { start: last.start, end: range.end };
      else this.#free.push(range);
    }
  }

  #grow(end: number, bytes: number, what: string): void {
    const missing = Math.ceil(end / PAGE_BYTES) - this.memory.buffer.byteLength / PAGE_BYTES;
    if (missing <= 0) return;
    try {
      this.memory.grow(missing);
    } catch (cause) {
      throw this.#full(bytes, what, cause);
    }
  }

  #full(bytes: number, what: string, cause?: unknown): ShoalError {
    const limit = this.#limit === ADDRESS_SPACE ? 'the 4 GiB that 32-bit addresses reach' : `the limit of ${megabytes(this.#limit)}`;
    return new ShoalError('MEMORY', {
      op: 'backend-wasm',
      fact: `${what} needs ${megabytes(bytes)}, ${megabytes(this.used)} of ${limit} are in use${cause === undefined ? '' : ' and the engine gives no more'}`,
      next: 'Use a smaller batch, or dispose of programs you no longer run',
      cause,
    });
  }
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
