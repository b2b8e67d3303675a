import type { Device, DeviceProgram, Node, Schedule, StepCount, TensorData, Variable } from '@shoal/core';
import type { AutotuneOptions, OpenedDevice } from './adapter.ts';
import { countStep } from './count.ts';
import { emitStep } from './emit.ts';
import { Gpu, type DeviceUsage } from './gpu.ts';
import type { WebgpuKernel } from './kernel.ts';
import { mapForReading, readArray, Variables } from './memory.ts';
import { compileProgram } from './program.ts';
import type { Tuner, TunerParts } from './tune/tuner.ts';

/** An open WebGPU device as core drives it. */
export class WebgpuDevice implements Device<WebgpuKernel> {
  readonly info;
  readonly #gpu: Gpu;
  readonly #variables: Variables;
  readonly #openTuner: (() => Promise<Tuner>) | null;
  #tuner: Promise<Tuner> | null = null;

  constructor(opened: OpenedDevice, autotune: boolean | AutotuneOptions = true, parts?: TunerParts) {
    const options = autotune === true ? {} : autotune;
    const tunes = options !== false && (options.software === true || opened.info.flags['software'] !== true);
    this.info = { ...opened.info, flags: { ...opened.info.flags, autotune: tunes } };
    this.#gpu = new Gpu(opened);
    this.#variables = new Variables(this.#gpu);
    // Who does not tune does not download how.
    this.#openTuner = tunes ? async () => (await import('./tune/tuner.ts')).Tuner.open(this.#gpu, options, parts) : null;
  }

  /** What variables, programs and reads in progress hold on the device. */
  get usage(): DeviceUsage {
    return this.#gpu.usage;
  }

  async compile(schedule: Schedule, kernelFor: (node: Node) => WebgpuKernel, tune: boolean): Promise<DeviceProgram> {
    if (this.#openTuner && tune) this.#tuner ??= this.#openTuner();
    return compileProgram(this.#gpu, this.#variables, schedule, kernelFor, tune ? await this.#tuner : null);
  }

  count(schedule: Schedule, kernelFor: (node: Node) => WebgpuKernel): readonly StepCount[] {
    return schedule.steps.map((step) => countStep(emitStep(step, kernelFor(step.node), this.#gpu.opened.subgroup)));
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
