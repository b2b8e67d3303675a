import { ShoalError } from '@shoal/core';
import type { OpenedDevice } from './adapter.ts';
import { SharedCache } from './cache.ts';
import type { ShaderModule } from './module.ts';

/** A pipeline with the layout of its bindings. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What memory is for. Sizes are constants of the shaders: there are no uniforms. */
export type MemoryKind = 'variables' | 'constants' | 'arena' | 'staging' | 'timestamps';

export interface Held {
  /** Buffers and query sets. */
  readonly objects: number;
  readonly bytes: number;
}

/** What a runtime holds on the device at a moment. */
export interface DeviceUsage extends Readonly<Record<MemoryKind, Held>> {
  /** Compiled shaders, those of programs that are gone included. */
  readonly pipelines: number;
}

/** Compiled shaders that are kept for the next program: more than the largest networks have. */
const sparePipelines = 512;

/** A device with its caches and a ledger of its buffers; errors of the driver become typed errors here. */
export class Gpu {
  readonly device: GPUDevice;
  readonly opened: OpenedDevice;
  readonly #pipelines = new SharedCache<Pipeline>(sparePipelines);
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #held = new Map<GPUBuffer | GPUQuerySet, { readonly kind: MemoryKind; readonly bytes: number }>();
  #lost: string | null = null;

  constructor(opened: OpenedDevice) {
    this.opened = opened;
    this.device = opened.device;
    void this.device.lost.then(({ reason, message }) => (this.#lost = `${message || 'no reason was given'} (${reason})`));
  }

  /** What was created and not destroyed. */
  get usage(): DeviceUsage {
    const of = (kind: MemoryKind): Held => {
      const held = [...this.#held.values()].filter((each) => each.kind === kind);
      return { objects: held.length, bytes: held.reduce((sum, { bytes }) => sum + bytes, 0) };
    };
    return {
      variables: of('variables'),
      constants: of('constants'),
      arena: of('arena'),
      staging: of('staging'),
      timestamps: of('timestamps'),
      pipelines: this.#pipelines.size,
    };
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
    if (memory) {
      throw new ShoalError('MEMORY', {
        op,
        fact: `the device is out of memory, with ${this.#heldBytes} bytes held by this runtime: ${memory.message.split('\n')[0]}`,
        next: 'Use a smaller batch, or dispose of programs that are done',
        cause: memory,
      });
    }
    if (invalid) throw new ShoalError('DEVICE', { op, fact: `the driver refused: ${invalid.message}`, cause: invalid });
    return result;
  }

  get #heldBytes(): number {
    return [...this.#held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @throws ShoalError `MEMORY` when the device cannot hold it */
  async createBuffer(kind: MemoryKind, op: string, bytes: number, usage: GPUBufferUsageFlags): Promise<GPUBuffer> {
    const { maxBufferSize } = this.device.limits;
    if (bytes > maxBufferSize) {
      throw new ShoalError('MEMORY', {
        op,
        fact: `needs a buffer of ${bytes} bytes for ${kind}, the device holds ${maxBufferSize} in one`,
        next: 'Use a smaller batch',
      });
    }
    return this.#create(kind, op, bytes, () => this.device.createBuffer({ label: `${op}: ${kind}`, size: bytes, usage }));
  }

  /** @throws ShoalError `MEMORY` when the device cannot hold it */
  createTimestamps(op: string, count: number): Promise<GPUQuerySet> {
    return this.#create('timestamps', op, 8 * count, () => this.device.createQuerySet({ type: 'timestamp', count }));
  }

  destroy(object: GPUBuffer | GPUQuerySet): void {
    object.destroy();
    this.#held.delete(object);
  }

  /** The pipeline of a shader, compiled once per source, for a program that uses it until it is released. */
  pipeline(op: string, { source, bindings }: ShaderModule, program: object): Promise<Pipeline> {
    return this.#pipelines.acquire(source, program, () => this.#compile(op, source, this.#layout(bindings.map(({ access }) => access))));
  }

  /** A program does not use its pipelines any more. */
  release(program: object): void {
    this.#pipelines.release(program);
  }

  dispose(): void {
    this.#pipelines.clear();
    this.#layouts.clear();
    this.device.destroy();
  }

  async #create<T extends GPUBuffer | GPUQuerySet>(kind: MemoryKind, op: string, bytes: number, create: () => T): Promise<T> {
    let created: T | undefined;
    try {
      await this.validated(op, () => (created = create()));
    } catch (cause) {
      // What the device refused is an object all the same.
      created?.destroy();
      throw cause;
    }
    this.#held.set(created!, { kind, bytes });
    return created!;
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
