import {
  ShoalError,
  type Fusion,
  type InPlace,
  type Kernel,
  type Lowering,
  type Op,
  type OpSite,
  type Step,
  type Support,
  type TensorType,
  type Value,
} from '@shoal/core';
import type { FunctionBuilder, I32, Local, ModuleBuilder, Operand, V128 } from './encoder/index.ts';

/** What the engine offers to kernels. It decides bits, so it is the same for every program of a runtime. */
export interface EngineOptions {
  /** `madd` may fuse (relaxed SIMD is there and `strict` is off). */
  readonly fma: boolean;
  /** Results must be equal on every machine: no relaxed instruction, no Winograd, nothing that depends on the processor. */
  readonly strict: boolean;
  /**
   * The engine joins pairs of vector instructions (see `enableWide`). Kernels then give it pairs to join: neighbouring vectors, treated
   * alike and stored one after the other. Leaves every bit as it is.
   */
  readonly wide: boolean;
  /** Rows of a register tile of eight columns, or of sixteen where it is wide, that run fastest on this engine. Leaves every bit as it is. */
  readonly tileRows: number;
}

/** Columns of a register tile, such as output channels: two vectors, or four where the engine joins pairs of them and there are so many. */
export const panelColumns = (wide: boolean, columns: number): number => (wide && columns > 8 ? 16 : 8);

/** Where a vector of up to four neighbouring elements lies, in bytes. All tensors are dense and row-major: see `layoutOf`. */
export interface Place {
  /** Byte offset of the first element from the start of the tensor. */
  readonly at: Operand<'i32'>;
  /** Constant bytes added to `at`. */
  readonly offset?: number;
  /** Byte offset of the first element's channel, which is its position along the last axis: fused per-channel vectors are read there. */
  readonly channel: Operand<'i32'>;
  /** Constant bytes added to `channel`. */
  readonly channelOffset?: number;
}

/** How many of a vector's lanes count. */
export type Lanes = 1 | 2 | 3 | 4;

/** Memory of a step for the time it runs; its contents are undefined at the start. */
export interface Scratch {
  readonly index: number;
}

/** The body of a stage: one function, called once per tile, with the addresses of the step's tensors. */
export interface Stage {
  readonly f: FunctionBuilder;
  /** Which tile to compute, from 0. */
  readonly tile: Local<'i32'>;
  /** Address of input `index`. Inputs that are fused expressions have none: read those with `load`. */
  readonly input: (index: number) => Local<'i32'>;
  /** Address of output `index`, which must be wanted. */
  readonly output: (index: number) => Local<'i32'>;
  readonly scratch: (scratch: Scratch) => Local<'i32'>;
  /** Four neighbouring elements of input `index`, computed where it is a fused expression. May read past the end of a tensor: mask what is not yours. */
  readonly load: (index: number, place: Place) => V128;
  /** `load` of `count` neighbouring vectors, the first at `place`. In wide mode the engine joins pairs of them. */
  readonly loadAll: (index: number, place: Place, count: number) => readonly V128[];
  /** Applies the fused epilogue, if there is one, and writes the first `lanes` lanes (default 4) to output 0, nothing else. */
  readonly store: (result: V128, place: Place, lanes?: Lanes) => void;
  /** `store` of neighbouring vectors, the first at `place`; `lanes` counts over all of them. In wide mode the engine joins pairs of them. */
  readonly storeAll: (results: readonly V128[], place: Place, lanes: number) => void;
}

export interface StageOptions {
  /** How many tiles the stage has: a function of shapes only, never of threads. Tiles run in any order and at the same time. */
  readonly tiles: number;
}

/** One step of a program as a kernel sees it. Steps that agree in everything here share their functions. */
export interface WasmSite<A extends object = object> {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attributes: A;
  /** Whether anybody reads each output; the others have no memory. */
  readonly wanted: readonly boolean[];
  /** Whether each input is a fused expression. */
  readonly fused: readonly boolean[];
  /** For each input that is a fused expression, the output its values go to as well; null where there is none. Kernels of maps only. */
  readonly kept: readonly (number | null)[];
  readonly hasEpilogue: boolean;
  readonly engine: EngineOptions;
  /** For helper functions that several stages call: `module.once(key, () => module.function(...))`. */
  readonly module: ModuleBuilder;
  /** Asks for memory, before the first stage; `perThread` gives each thread its own. */
  readonly scratch: (bytes: number, options?: { readonly perThread?: boolean }) => Scratch;
  /** Adds a stage. All tiles of a stage are done, on every thread, before the next one starts. */
  readonly stage: (options: StageOptions, body: (stage: Stage) => void) => void;
}

/** A kernel of this backend: it writes WebAssembly for one step, specialised for its shapes. */
export interface WasmKernel extends Kernel {
  readonly backend: 'wasm';
  readonly emit: (site: WasmSite<never>) => void;
  readonly repetition?: Repetition;
}

/** How a step repeats the cells of output 0 (see `repetition` of a step), for the kernel of the op that does so otherwise. */
export interface Repetition {
  /** The first of the places of a cell that lies `constant` cells behind `cell`, counted in the same way among the cells of the large tensor. */
  readonly place: (f: FunctionBuilder, step: Step, cell: Local<'i32'>, constant: number) => readonly [cell: I32, constant: number];
  /** Writes the last stage, which copies each cell from there to its other places. */
  readonly emit: (
    step: Step,
    engine: EngineOptions,
    addStage: (tiles: number, body: (f: FunctionBuilder, tile: Local<'i32'>, output: Local<'i32'>) => void) => void,
  ) => void;
}

export interface WasmKernelOptions<A extends object> {
  readonly fusion?: Fusion;
  readonly inPlace?: (site: OpSite<A>) => InPlace;
  readonly supports?: (site: OpSite<A>) => Support;
  readonly repeats?: (site: OpSite<A>) => boolean;
  /** With `repeats`. */
  readonly repetition?: Repetition;
  /** Says the same in ops of this backend, such as one that packs weights and one that uses them; null leaves the node as it is. */
  readonly lower?: (inputs: readonly Value[], attributes: A, lowering: Lowering) => readonly Value[] | null;
}

/** Makes a kernel for an op. `emit` is called once for every distinct step; it adds stages to the site. */
export function wasmKernel<A extends object>(op: Op<A>, emit: (site: WasmSite<A>) => void, options: WasmKernelOptions<A> = {}): WasmKernel {
  return { op, backend: 'wasm', emit, ...options };
}

/** A kernel for an op that this backend always says in ops of its own: `lower` must not return null. */
export function loweredKernel<A extends object>(
  op: Op<A>,
  lower: (inputs: readonly Value[], attributes: A, lowering: Lowering) => readonly Value[],
): WasmKernel {
  const emit = (): never => {
    throw new ShoalError('KERNEL', { op: op.name, fact: 'reached the backend without being lowered (an internal invariant)' });
  };
  return { op, backend: 'wasm', emit, lower };
}
