import { hostArray, ShoalError, sizeOf, type TensorData, type Value, type Variable } from '@shoal/core';
import type { Gpu } from './gpu.ts';
import type { Place } from './module.ts';
import { halfBits } from './storage.ts';

const chunkBytes = 4 * 2 ** 20;

/** How buffers that hold tensors are used; a function, because the flags exist only where WebGPU does. */
export const tensorUsage = (): GPUBufferUsageFlags => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** Bytes of a tensor on the device, in whole words; an empty one takes a word, since bindings may not be empty. */
export const bytesOf = ({ shape }: Value, half = false): number => 4 * Math.max(1, Math.ceil(sizeOf(shape) / (half ? 2 : 1)));

type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Data as the device stores it, in whole words. */
export function deviceArray({ dtype }: Value, data: TensorData, half = false): HostArray {
  if (half) {
    const bits = new Uint16Array(2 * Math.ceil(data.length / 2));
    bits.set(Array.from(data, halfBits));
    return bits;
  }
  const array = hostArray(dtype, data.length) as HostArray;
  array.set(data);
  return array;
}

/** Variables on the device, packed into a few large buffers. */
export class Variables {
  readonly #gpu: Gpu;
  readonly #places = new Map<Variable, Place>();
  #chunk: GPUBuffer | null = null;
  #used = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  place(variable: Variable): Place | undefined {
    return this.#places.get(variable);
  }

  async write(variable: Variable, data: TensorData): Promise<void> {
    const place = this.#places.get(variable) ?? (await this.#allocate(variable));
    const array = deviceArray(variable, data);
    await this.#gpu.validated(`write ${variable.name}`, () => this.#gpu.device.queue.writeBuffer(place.buffer, place.offset, array));
  }

  async #allocate(variable: Variable): Promise<Place> {
    const bytes = bytesOf(variable);
    if (!this.#chunk || this.#used + bytes > this.#chunk.size) {
      const size = Math.max(chunkBytes, bytes);
      this.#chunk = await this.#gpu.createBuffer('variables', `write ${variable.name}`, size, tensorUsage());
      this.#used = 0;
    }
    const place = { buffer: this.#chunk, offset: this.#used, bytes };
    const alignment = this.#gpu.device.limits.minStorageBufferOffsetAlignment;
    this.#used += Math.ceil(bytes / alignment) * alignment;
    this.#places.set(variable, place);
    return place;
  }
}

/** @throws ShoalError `DEVICE` when the device fails on the way */
export async function mapForReading(gpu: Gpu, op: string, staging: GPUBuffer, bytes: number): Promise<void> {
  try {
    await staging.mapAsync(GPUMapMode.READ, 0, bytes);
  } catch (cause) {
    gpu.check(op);
    throw new ShoalError('DEVICE', { op, fact: `reading back failed: ${String(cause)}`, cause });
  }
}

/** Copies a tensor out of a mapped buffer. */
export function readArray(value: Value, staging: GPUBuffer, offset: number): TensorData {
  const array = hostArray(value.dtype, sizeOf(value.shape));
  new Uint8Array(array.buffer).set(new Uint8Array(staging.getMappedRange(offset, 4 * array.length)));
  return array;
}
