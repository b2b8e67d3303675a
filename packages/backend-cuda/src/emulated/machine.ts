import { ShoalError, type DeviceInfo } from '@shoal/core';
import { packArguments } from '../arguments.ts';
import type { Precision } from '../kernel.ts';
import type { Address, Command, HostArray, Machine, Sequence } from '../machine.ts';
import type { KernelSource } from '../source.ts';
import type { EmulatedCompiler } from './compiler.ts';
import { EmulatedMemory } from './memory.ts';

class EmulatedSequence implements Sequence {
  readonly #commands: (() => void)[];

  constructor(commands: (() => void)[]) {
    this.#commands = commands;
  }

  run(): void {
    this.#commands.forEach((run) => run());
  }

  dispose(): void {
    this.#commands.length = 0;
  }
}

/** The machine that runs kernels on the CPU, as C++: it says whether they are right, not how fast they are. */
export class EmulatedMachine implements Machine {
  readonly info: DeviceInfo;
  readonly precision: Precision;
  readonly generic: boolean;
  readonly convolutions = null;
  readonly #compiler: EmulatedCompiler;
  readonly #memory = new EmulatedMemory();

  constructor(compiler: EmulatedCompiler, precision: Precision, generic: boolean) {
    this.#compiler = compiler;
    this.precision = precision;
    this.generic = generic;
    this.info = {
      backend: 'cuda',
      device: 'emulation on the CPU',
      threads: 1,
      clock: 'performance.now',
      flags: { emulated: true, precision },
      notes: ['kernels run as C++ on the CPU: their times say nothing about a GPU'],
    };
  }

  allocate(_op: string, bytes: number): Address {
    return this.#memory.allocate(bytes);
  }

  free(address: Address): void {
    this.#memory.free(address);
  }

  upload(_op: string, to: Address, data: HostArray): void {
    this.#memory.write(to, data);
  }

  async download(_op: string, from: Address, into: HostArray): Promise<void> {
    this.#memory.read(from, into);
  }

  load(kernels: readonly KernelSource[]): Promise<void> {
    return this.#compiler.build(kernels);
  }

  prepare(op: string, commands: readonly Command[]): EmulatedSequence {
    return new EmulatedSequence(
      commands.map((command) => {
        if (command.kind === 'launch') return this.#launch(command);
        if (command.kind === 'copy') return () => this.#memory.copy(command.from, command.to, command.bytes);
        throw new ShoalError('UNSUPPORTED', { op, fact: 'the emulation has no library of convolutions' });
      }),
    );
  }

  submit(_op: string, sequence: EmulatedSequence): void {
    sequence.run();
  }

  async run(_op: string, sequences: readonly EmulatedSequence[]): Promise<readonly number[]> {
    return sequences.map((sequence) => {
      const start = performance.now();
      sequence.run();
      return Math.max(1, (performance.now() - start) * 1e6);
    });
  }

  async dispose(): Promise<void> {
    this.#memory.clear();
  }

  #launch({ kernel, blocks, arguments: addresses }: Command & { kind: 'launch' }): () => void {
    const run = this.#compiler.function(kernel.name);
    const packed = packArguments(addresses);
    const found = new Int32Array(3);
    return () => {
      if (run(blocks, packed, found) === 0) return;
      throw new ShoalError('DEVICE', {
        op: kernel.name,
        fact: `index ${found[1]} of t${found[0]} at ${addresses[found[0]!]!.toString(16)}, which has ${found[2]} elements`,
      });
    };
  }
}
