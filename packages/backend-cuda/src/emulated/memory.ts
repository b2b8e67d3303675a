import { ShoalError } from '@shoal/core';
import koffi from 'koffi';
import type { Address, HostArray } from '../machine.ts';

const alignment = 256n;

interface Block {
  readonly start: Address;
  readonly bytes: Uint8Array;
}

/** Memory of the process that behaves like a device's: bytes nobody wrote are NaN, and what lies outside an allocation is an error. */
export class EmulatedMemory {
  readonly #blocks = new Map<Address, Block>();

  get allocations(): number {
    return this.#blocks.size;
  }

  allocate(size: number): Address {
    const bytes = new Uint8Array(size + Number(alignment)).fill(0xff);
    const address = koffi.address(bytes);
    const skip = (alignment - (address % alignment)) % alignment;
    const start = address + skip;
    this.#blocks.set(start, { start, bytes: bytes.subarray(Number(skip), Number(skip) + size) });
    return start;
  }

  free(address: Address): void {
    if (!this.#blocks.delete(address)) throw outside('free', address, 0);
  }

  write(address: Address, data: HostArray): void {
    this.view('upload', address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  read(address: Address, into: HostArray): void {
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(this.view('download', address, into.byteLength));
  }

  copy(from: Address, to: Address, size: number): void {
    this.view('copy', to, size).set(this.view('copy', from, size));
  }

  clear(): void {
    this.#blocks.clear();
  }

  view(what: string, address: Address, size: number): Uint8Array {
    for (const { start, bytes } of this.#blocks.values()) {
      const offset = Number(address - start);
      if (offset >= 0 && offset + size <= bytes.length) return bytes.subarray(offset, offset + size);
    }
    throw outside(what, address, size);
  }
}

function outside(what: string, address: Address, size: number): ShoalError {
  return new ShoalError('DEVICE', { op: what, fact: `${size} bytes at ${address.toString(16)} are not in one allocation` });
}
