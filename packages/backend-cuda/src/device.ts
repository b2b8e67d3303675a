import type { Device, DeviceProgram, Node, Schedule, TensorData, Variable } from '@shoal/core';
import type { CudaKernel } from './kernel.ts';
import type { Machine } from './machine.ts';
import { arrayFor, Variables } from './memory.ts';
import { compileProgram } from './program.ts';

/** An open machine as core drives it. */
export class CudaDevice implements Device<CudaKernel> {
  readonly info;
  readonly #machine: Machine;
  readonly #variables: Variables;

  constructor(machine: Machine) {
    this.info = machine.info;
    this.#machine = machine;
    this.#variables = new Variables(machine);
  }

  compile(schedule: Schedule, kernelFor: (node: Node) => CudaKernel): Promise<DeviceProgram> {
    return compileProgram(this.#machine, this.#variables, schedule, kernelFor);
  }

  async read(variable: Variable): Promise<TensorData> {
    const data = arrayFor(variable);
    if (data.length > 0) await this.#machine.download(`read ${variable.name}`, this.#variables.place(variable)!, data);
    return data;
  }

  async write(variable: Variable, data: TensorData): Promise<void> {
    this.#variables.write(variable, data);
  }

  dispose(): Promise<void> {
    return this.#machine.dispose();
  }
}
