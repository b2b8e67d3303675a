import { ShoalError, type DeviceInfo } from '@shoal/core';
import type { Precision } from '../kernel.ts';
import type { Address, Machine, Sequence } from '../machine.ts';
import type { KernelSource } from '../source.ts';

/** The machine that runs nothing: it remembers the kernels of the programs that are compiled on it. */
export class CollectingMachine implements Machine {
  readonly info: DeviceInfo = { backend: 'cuda', device: 'none', threads: 1, clock: 'none', flags: {}, notes: ['it collects kernels'] };
  readonly kernels = new Map<string, KernelSource>();
  readonly precision: Precision;
  readonly generic: boolean;
  readonly convolutions = null;
  #next: Address = 0n;

  constructor(precision: Precision, generic: boolean) {
    this.precision = precision;
    this.generic = generic;
  }

  allocate(_op: string, bytes: number): Address {
    const address = this.#next;
    this.#next += BigInt(Math.ceil(bytes / 256) * 256);
    return address;
  }

  free(): void {}

  upload(): void {}

  download(op: string): Promise<void> {
    return Promise.reject(collecting(op));
  }

  async load(kernels: readonly KernelSource[]): Promise<void> {
    for (const kernel of kernels) this.kernels.set(kernel.name, kernel);
  }

  prepare(op: string): Sequence {
    throw collecting(op);
  }

  submit(): void {}

  run(op: string): Promise<readonly number[]> {
    return Promise.reject(collecting(op));
  }

  async dispose(): Promise<void> {}
}

const collecting = (op: string): ShoalError => new ShoalError('UNSUPPORTED', { op, fact: 'this runtime collects kernels and runs none' });
