import { hostArray, sizeOf, type TensorData, type Value, type Variable } from '@shoal/core';
import type { Address, HostArray, Machine } from './machine.ts';

/** Every tensor starts at a multiple of this, as vector loads and the driver's own allocations do. */
export const alignment = 256;

const chunkBytes = 4 * 2 ** 20;

/** Bytes of a tensor on the device; an empty one takes an element, so that it has an address of its own. */
export const bytesOf = ({ shape }: Value): number => 4 * Math.max(1, sizeOf(shape));

/** Data as the device stores it. */
export function deviceArray({ dtype }: Value, data: TensorData): HostArray {
  const array = hostArray(dtype, data.length) as HostArray;
  array.set(data);
  return array;
}

/** An array to download a tensor into. */
export const arrayFor = ({ dtype, shape }: Value): HostArray => hostArray(dtype, sizeOf(shape)) as HostArray;

/** Variables on the device, packed into a few large allocations. */
export class Variables {
  readonly #machine: Machine;
  readonly #places = new Map<Variable, Address>();
  #chunk: { readonly address: Address; readonly bytes: number } | null = null;
  #used = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  place(variable: Variable): Address | undefined {
    return this.#places.get(variable);
  }

  write(variable: Variable, data: TensorData): void {
    const address = this.#places.get(variable) ?? this.#allocate(variable);
    if (data.length > 0) this.#machine.upload(`write ${variable.name}`, address, deviceArray(variable, data));
  }

  #allocate(variable: Variable): Address {
    const bytes = bytesOf(variable);
    if (!this.#chunk || this.#used + bytes > this.#chunk.bytes) {
      const size = Math.max(chunkBytes, bytes);
      this.#chunk = { address: this.#machine.allocate(`variable ${variable.name}`, size), bytes: size };
      this.#used = 0;
    }
    const address = this.#chunk.address + BigInt(this.#used);
    this.#used += Math.ceil(bytes / alignment) * alignment;
    this.#places.set(variable, address);
    return address;
  }
}
