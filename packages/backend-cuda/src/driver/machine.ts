import { setImmediate, setTimeout } from 'node:timers/promises';
import { ShoalError, type DeviceInfo } from '@shoal/core';
import { packArguments } from '../arguments.ts';
import type { Precision } from '../kernel.ts';
import type { Address, Command, HostArray, Machine, Sequence } from '../machine.ts';
import type { KernelSource } from '../source.ts';
import { result, type DriverApi } from './api.ts';
import type { KernelCompiler } from './compiler.ts';
import { Cudnn, type CudnnApi } from './cudnn.ts';
import type { OpenedDevice } from './open.ts';

type Handle = bigint;

/**
 * Streams do not wait for the default one. Captures forbid what would break them to this thread alone; relaxed ones nothing, as a library
 * may load code and take memory when it first computes something.
 */
const [nonBlocking, threadLocal, relaxed] = [1, 1, 2];

/** While an answer is near, waiting gives way to other work of the event loop and asks again at once; later it sleeps in between. */
const eagerMilliseconds = 20;

/** Kernels of one translation unit. */
const batchSize = 32;

class GraphSequence implements Sequence {
  /** Null for no commands, and after disposal. */
  graph: Handle | null;
  readonly #free: (sequence: GraphSequence) => void;

  constructor(graph: Handle | null, free: (sequence: GraphSequence) => void) {
    this.graph = graph;
    this.#free = free;
  }

  dispose(): void {
    this.#free(this);
  }
}

/** A device behind NVIDIA's driver: one stream, and every sequence of commands a CUDA graph. */
export class DriverMachine implements Machine {
  readonly info: DeviceInfo;
  readonly precision: Precision;
  readonly generic: boolean;
  readonly convolutions: Cudnn | null;
  readonly #api: DriverApi;
  readonly #opened: OpenedDevice;
  readonly #compiler: KernelCompiler;
  readonly #stream: Handle;
  readonly #memory = new Set<Address>();
  readonly #modules: Handle[] = [];
  readonly #functions = new Map<string, Handle>();
  readonly #sequences = new Set<GraphSequence>();
  readonly #events: Handle[] = [];
  #disposed = false;

  /** Takes over the opened device: disposing of the machine closes it. */
  constructor(opened: OpenedDevice, compiler: KernelCompiler, precision: Precision, info: DeviceInfo, cudnn: CudnnApi | null) {
    this.info = info;
    this.precision = precision;
    this.generic = compiler.generic;
    this.#opened = opened;
    this.#api = opened.api;
    this.#compiler = compiler;
    this.#stream = this.#api.make('backend-cuda', 'cuStreamCreate', nonBlocking);
    try {
      this.convolutions = cudnn && new Cudnn(cudnn, precision, this.#stream, (op) => this.#enter(op));
    } catch (cause) {
      this.#api.attempt('cuStreamDestroy_v2', this.#stream);
      throw cause;
    }
  }

  allocate(op: string, bytes: number): Address {
    this.#enter(op);
    const address = this.#api.make(op, 'cuMemAlloc_v2', bytes);
    this.#memory.add(address);
    return address;
  }

  free(address: Address): void {
    // Disposing of the machine has freed it; freeing waits for what uses the memory.
    if (this.#memory.delete(address)) this.#attempt('cuMemFree_v2', address);
  }

  /** The driver copies pageable memory aside before it returns, so the array may change after. */
  upload(op: string, to: Address, data: HostArray): void {
    this.#enter(op);
    this.#api.call(op, 'cuMemcpyHtoDAsync_v2', to, data, data.byteLength, this.#stream);
  }

  async download(op: string, from: Address, into: HostArray): Promise<void> {
    this.#enter(op);
    const [done] = this.#eventsFor(op, 1);
    this.#api.call(op, 'cuEventRecord', done!, this.#stream);
    await this.#reached(op, done!);
    this.#api.call(op, 'cuMemcpyDtoHAsync_v2', into, from, into.byteLength, this.#stream);
    this.#api.call(op, 'cuStreamSynchronize', this.#stream);
  }

  async load(kernels: readonly KernelSource[]): Promise<void> {
    const missing = [...new Map(kernels.map((kernel) => [kernel.name, kernel])).values()].filter(({ name }) => !this.#functions.has(name));
    if (missing.length === 0) return;
    const batches = Array.from({ length: Math.ceil(missing.length / batchSize) }, (_, i) =>
      missing.slice(i * batchSize, (i + 1) * batchSize),
    );
    // Each batch is compiled on a thread of its own.
    const images = await Promise.all(batches.map((batch) => this.#compiler.compile(batch, this.#opened)));
    batches.forEach((batch, i) => this.#loadImage(batch, images[i]!));
  }

  prepare(op: string, commands: readonly Command[]): GraphSequence {
    const graph = commands.length === 0 ? null : this.#captured(op, commands);
    const sequence = new GraphSequence(graph, (each) => this.#release(each));
    this.#sequences.add(sequence);
    return sequence;
  }

  submit(op: string, { graph }: GraphSequence): void {
    this.#enter(op);
    if (graph !== null) this.#api.call(op, 'cuGraphLaunch', graph, this.#stream);
  }

  async run(op: string, sequences: readonly GraphSequence[]): Promise<readonly number[]> {
    this.#enter(op);
    const events = this.#eventsFor(op, sequences.length + 1);
    const record = (event: Handle): void => this.#api.call(op, 'cuEventRecord', event, this.#stream);
    record(events[0]!);
    sequences.forEach((sequence, i) => {
      this.submit(op, sequence);
      record(events[i + 1]!);
    });
    await this.#reached(op, events.at(-1)!);
    const milliseconds = new Float32Array(1);
    return sequences.map((_, i) => {
      this.#api.call(op, 'cuEventElapsedTime', milliseconds, events[i]!, events[i + 1]!);
      return Math.max(1, Math.round(milliseconds[0]! * 1e6));
    });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#attempt('cuStreamSynchronize', this.#stream);
    this.#sequences.forEach((sequence) => this.#release(sequence));
    this.convolutions?.dispose();
    this.#events.splice(0).forEach((event) => this.#attempt('cuEventDestroy_v2', event));
    this.#memory.forEach((address) => this.free(address));
    this.#modules.splice(0).forEach((module) => this.#attempt('cuModuleUnload', module));
    this.#attempt('cuStreamDestroy_v2', this.#stream);
    this.#disposed = true;
    this.#opened.close();
  }

  /** Other code of this thread may have made another context current. */
  #enter(op: string): void {
    this.#api.call(op, 'cuCtxSetCurrent', this.#opened.context);
  }

  /** For freeing: what fails is gone with the context. */
  #attempt(name: Parameters<DriverApi['attempt']>[0], ...parameters: readonly Handle[]): void {
    this.#api.attempt('cuCtxSetCurrent', this.#opened.context);
    this.#api.attempt(name, ...parameters);
  }

  #loadImage(kernels: readonly KernelSource[], image: Uint8Array): void {
    this.#enter('compile');
    const module = this.#api.make('compile', 'cuModuleLoadData', image);
    try {
      const found = kernels.map(({ name }) => [name, this.#api.make('compile', 'cuModuleGetFunction', module, name)] as const);
      found.forEach(([name, handle]) => this.#functions.set(name, handle));
      this.#modules.push(module);
    } catch (cause) {
      this.#api.attempt('cuModuleUnload', module);
      throw cause;
    }
  }

  #release(sequence: GraphSequence): void {
    if (this.#sequences.delete(sequence) && sequence.graph !== null) this.#attempt('cuGraphExecDestroy', sequence.graph);
    sequence.graph = null;
  }

  #eventsFor(op: string, count: number): readonly Handle[] {
    while (this.#events.length < count) this.#events.push(this.#api.make(op, 'cuEventCreate', 0));
    return this.#events.slice(0, count);
  }

  async #reached(op: string, event: Handle): Promise<void> {
    const start = performance.now();
    for (;;) {
      const code = this.#api.attempt('cuEventQuery', event);
      if (code === result.success) return;
      if (code !== result.notReady) throw this.#api.error(op, 'cuEventQuery', code);
      await (performance.now() - start < eagerMilliseconds ? setImmediate() : setTimeout(1));
      this.#enter(op);
    }
  }

  /** Records commands into a graph instead of running them. */
  #captured(op: string, commands: readonly Command[]): Handle {
    this.#enter(op);
    const api = this.#api;
    const mode = commands.some(({ kind }) => kind === 'convolution') ? relaxed : threadLocal;
    api.call(op, 'cuStreamBeginCapture_v2', this.#stream, mode);
    const ended = new BigUint64Array(1);
    let graph: Handle | null = null;
    try {
      try {
        commands.forEach((command) => this.#issue(op, command));
      } catch (cause) {
        // A capture that is not ended would keep the stream from ever running anything.
        if (api.attempt('cuStreamEndCapture', this.#stream, ended) === result.success && ended[0] !== 0n) graph = ended[0]!;
        throw cause;
      }
      api.call(op, 'cuStreamEndCapture', this.#stream, ended);
      graph = ended[0]!;
      return api.make(op, 'cuGraphInstantiateWithFlags', graph, 0);
    } finally {
      if (graph !== null) api.attempt('cuGraphDestroy', graph);
    }
  }

  #issue(op: string, command: Command): void {
    if (command.kind === 'copy') {
      this.#api.call(op, 'cuMemcpyDtoDAsync_v2', command.to, command.from, command.bytes, this.#stream);
      return;
    }
    if (command.kind === 'convolution') {
      this.convolutions!.run(op, command);
      return;
    }
    const { kernel, blocks, arguments: addresses } = command;
    const handle = this.#functions.get(kernel.name);
    if (handle === undefined) throw new ShoalError('KERNEL', { op, fact: `${kernel.name} was not loaded` });
    const packed = packArguments(addresses);
    this.#api.call(op, 'cuLaunchKernel', handle, blocks, 1, 1, kernel.threads, 1, 1, 0, this.#stream, packed, null);
  }
}
