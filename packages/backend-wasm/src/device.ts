import type { Variable } from '@shoal/core';
import {
  ShoalError,
  type Device,
  type DeviceInfo,
  type DeviceProgram,
  type MemoryPlan,
  type Node,
  type Schedule,
  type TensorData,
} from '@shoal/core';
import type { Allocator } from './allocator.ts';
import type { EngineOptions, WasmKernel } from './kernel.ts';
import { bytesOf } from './layout.ts';
import { buildProgram, controlBytes, draftProgram, viewOf, type Machine } from './program.ts';
import type { Executor } from './threads/index.ts';

export interface DeviceParts {
  readonly info: DeviceInfo;
  readonly allocator: Allocator;
  readonly executor: Executor;
  readonly engine: EngineOptions;
  readonly relaxed: boolean;
  readonly shared: boolean;
}

/** One memory, its threads, and the variables in it. */
export class WasmDevice implements Device<WasmKernel> {
  readonly info: DeviceInfo;
  readonly #machine: Machine;
  readonly #variables = new Map<Variable, number>();

  constructor({ info, ...parts }: DeviceParts) {
    this.info = info;
    this.#machine = {
      ...parts,
      control: parts.allocator.allocate(controlBytes(parts.executor.threads), 'the control words'),
      variable: (variable) => this.#addressOf(variable),
    };
  }

  compile(schedule: Schedule, kernelFor: (node: Node) => WasmKernel): Promise<DeviceProgram> {
    return buildProgram(schedule, kernelFor, this.#machine);
  }

  plan(schedule: Schedule, kernelFor: (node: Node) => WasmKernel): MemoryPlan {
    return draftProgram(schedule, kernelFor, this.#machine).memory.arena;
  }

  read(variable: Variable): Promise<TensorData> {
    return Promise.resolve(this.#view(variable).slice());
  }

  write(variable: Variable, data: TensorData): Promise<void> {
    if (!this.#variables.has(variable)) {
      this.#variables.set(variable, this.#machine.allocator.allocate(bytesOf(variable), `variable '${variable.name}'`));
    }
    this.#view(variable).set(data);
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    this.#variables.clear();
    return this.#machine.executor.dispose();
  }

  #view(variable: Variable): Float32Array | Int32Array | Uint32Array {
    return viewOf(this.#machine.allocator.memory, variable, this.#addressOf(variable));
  }

  #addressOf(variable: Variable): number {
    const address = this.#variables.get(variable);
    if (address === undefined) throw new ShoalError('GRAPH', { op: 'backend-wasm', fact: `variable '${variable.name}' was never written` });
    return address;
  }
}
