import type { Device, DeviceProgram, Node, Schedule, StepCount, TensorData, Variable } from '@shoal/core';
import type { OpenedDevice } from './adapter.ts';
import { countStep } from './count.ts';
import { emitStep } from './emit.ts';
import { Gpu, type DeviceUsage } from './gpu.ts';
import type { WebgpuKernel } from './kernel.ts';
import { mapForReading, readArray, Variables } from './memory.ts';
import { compileProgram } from './program.ts';

/** An open WebGPU device as core drives it. */
export class WebgpuDevice implements Device<WebgpuKernel> {
  readonly info;
  readonly #gpu: Gpu;
  readonly #variables: Variables;

  constructor(opened: OpenedDevice) {
    this.info = opened.info;
    this.#gpu = new Gpu(opened);
    this.#variables = new Variables(this.#gpu);
  }

  /** What variables, programs and reads in progress hold on the device. */
  get usage(): DeviceUsage {
    return this.#gpu.usage;
  }

  compile(schedule: Schedule, kernelFor: (node: Node) => WebgpuKernel): Promise<DeviceProgram> {
    return compileProgram(this.#gpu, this.#variables, schedule, kernelFor);
  }

  count(schedule: Schedule, kernelFor: (node: Node) => WebgpuKernel): readonly StepCount[] {
    return schedule.steps.map((step) => countStep(emitStep(step, kernelFor(step.node))));
  }

  async read(variable: Variable): Promise<TensorData> {
    const op = `read ${variable.name}`;
    const { buffer, offset, bytes } = this.#variables.place(variable)!;
    const { device } = this.#gpu;
    const staging = await this.#gpu.createBuffer('staging', op, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    try {
      await this.#gpu.validated(op, () => {
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
        device.queue.submit([encoder.finish()]);
      });
      await mapForReading(this.#gpu, op, staging, bytes);
      return readArray(variable, staging, 0);
    } finally {
      this.#gpu.destroy(staging);
    }
  }

  write(variable: Variable, data: TensorData): Promise<void> {
    return this.#variables.write(variable, data);
  }

  dispose(): Promise<void> {
    this.#gpu.dispose();
    return Promise.resolve();
  }
}
