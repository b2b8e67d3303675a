import { ShoalError } from '@shoal/core';
import type { OpenedDevice } from './adapter.ts';
import type { ShaderModule } from './module.ts';

/** A pipeline with the layout of its bindings. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a runtime holds on the device at a moment. */
export interface DeviceUsage {
  readonly buffers: number;
  readonly bytes: number;
}

/** A device with its caches and a ledger of its buffers; errors of the driver become typed errors here. */
export class Gpu {
  readonly device: GPUDevice;
  readonly opened: OpenedDevice;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #buffers = new Set<GPUBuffer>();
  #lost: string | null = null;

  constructor(opened: OpenedDevice) {
    this.opened = opened;
    this.device = opened.device;
    void this.device.lost.then(({ reason, message }) => (this.#lost = `${message || 'no reason was given'} (${reason})`));
  }

  /** Distinct shaders compiled so far. */
  get pipelines(): number {
    return this.#pipelines.size;
  }

  /** The buffers that were created and not destroyed. */
  get usage(): DeviceUsage {
    return { buffers: this.#buffers.size, bytes: [...this.#buffers].reduce((sum, { size }) => sum + size, 0) };
  }

  /** @throws ShoalError `DEVICE` when the device is gone */
  check(op: string): void {
    if (this.#lost !== null)
      throw new ShoalError('DEVICE', { op, fact: `the device was lost: ${this.#lost}`, next: 'Create a new runtime' });
  }

  /** Runs calls that are validated later, and waits for the verdict. */
  async validated<T>(op: string, work: () => T): Promise<T> {
    this.check(op);
    this.device.pushErrorScope('out-of-memory');
    this.device.pushErrorScope('validation');
    let result: T;
    let verdicts: Promise<readonly (GPUError | null)[]>;
    try {
      result = work();
    } finally {
      verdicts = Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
    }
    const [invalid, memory] = await verdicts.catch((cause: unknown) => {
      this.check(op);
      throw new ShoalError('DEVICE', { op, fact: `the device failed: ${String(cause)}`, cause });
    });
    this.check(op);
    if (memory) throw new ShoalError('MEMORY', { op, fact: `the device is out of memory: ${memory.message}`, next: 'Use a smaller batch' });
    if (invalid) throw new ShoalError('DEVICE', { op, fact: `the driver refused: ${invalid.message}`, cause: invalid });
    return result;
  }

  /** @throws ShoalError `MEMORY` when the device cannot hold it */
  async createBuffer(op: string, bytes: number, usage: GPUBufferUsageFlags): Promise<GPUBuffer> {
    const { maxBufferSize } = this.device.limits;
    if (bytes > maxBufferSize) {
      throw new ShoalError('MEMORY', {
        op,
        fact: `needs a buffer of ${bytes} bytes, the device holds ${maxBufferSize} in one`,
        next: 'Use a smaller batch',
      });
    }
    const buffer = await this.validated(op, () => this.device.createBuffer({ label: op, size: bytes, usage }));
    this.#buffers.add(buffer);
    return buffer;
  }

  destroyBuffer(buffer: GPUBuffer): void {
    buffer.destroy();
    this.#buffers.delete(buffer);
  }

  /** The pipeline of a shader, compiled once per source. */
  pipeline(op: string, { source, bindings }: ShaderModule): Promise<Pipeline> {
    const known = this.#pipelines.get(source);
    if (known) return known;
    const created = this.#compile(op, source, this.#layout(bindings.map(({ access }) => access)));
    this.#pipelines.set(source, created);
    return created;
  }

  /** Drops the pipeline of a shader that is not needed any more. */
  forget(source: string): void {
    this.#pipelines.delete(source);
  }

  dispose(): void {
    this.#pipelines.clear();
    this.#layouts.clear();
    this.device.destroy();
  }

  #layout(accesses: readonly ('read' | 'read_write')[]): GPUBindGroupLayout {
    const key = accesses.join();
    const layout =
      this.#layouts.get(key) ??
      this.device.createBindGroupLayout({
        entries: accesses.map((access, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      });
    this.#layouts.set(key, layout);
    return layout;
  }

  async #compile(op: string, source: string, layout: GPUBindGroupLayout): Promise<Pipeline> {
    const { device } = this;
    this.check(op);
    device.pushErrorScope('validation');
    const shader = device.createShaderModule({ label: op, code: source });
    const pending = device.createComputePipelineAsync({
      label: op,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: shader, entryPoint: 'main' },
    });
    const [compiled, refused] = await Promise.allSettled([pending, device.popErrorScope()]);
    if (compiled.status === 'fulfilled') return { pipeline: compiled.value, layout };
    this.check(op);
    const text = refused.status === 'fulfilled' && refused.value ? refused.value.message : String(compiled.reason);
    throw new ShoalError('DEVICE', { op, fact: `its shader does not compile: ${text.trim()}`, cause: compiled.reason });
  }
}
