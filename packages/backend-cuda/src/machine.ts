import type { DeviceInfo } from '@shoal/core';
import type { ConvolutionCommand, ConvolutionLibrary } from './convolution.ts';
import type { Precision } from './kernel.ts';
import type { KernelSource } from './source.ts';

/** Where something lies in a machine's memory. */
export type Address = bigint;

export type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Something that a machine does when it comes to it. */
export type Command =
  | { readonly kind: 'launch'; readonly kernel: KernelSource; readonly blocks: number; readonly arguments: readonly Address[] }
  | { readonly kind: 'copy'; readonly from: Address; readonly to: Address; readonly bytes: number }
  | ConvolutionCommand;

/** Commands that are ready to be run, again and again. */
export interface Sequence {
  dispose(): void;
}

/**
 * What programs run on: the NVIDIA driver, or its emulation on the CPU. Memory, code and time, and nothing of tensors or ops.
 * What is submitted, uploaded and downloaded happens in that order. Failures throw `DEVICE`, want of memory `MEMORY`.
 */
export interface Machine {
  readonly info: DeviceInfo;
  readonly precision: Precision;
  /** Whether it takes generic kernels alone, which were compiled before any shape was known. */
  readonly generic: boolean;
  /** What computes convolutions in the place of kernels; null where nothing does. */
  readonly convolutions: ConvolutionLibrary | null;
  /** Undefined bytes, at a multiple of 256. */
  allocate(op: string, bytes: number): Address;
  free(address: Address): void;
  upload(op: string, to: Address, data: HostArray): void;
  /** Fills an array, when all that was submitted before is done. */
  download(op: string, from: Address, into: HostArray): Promise<void>;
  /** Compiles kernels that it has not compiled before. */
  load(kernels: readonly KernelSource[]): Promise<void>;
  /** Makes commands whose kernels are loaded ready to run. */
  prepare(op: string, commands: readonly Command[]): Sequence;
  submit(op: string, sequence: Sequence): void;
  /** Runs sequences one after the other; resolves, when all are done, to the nanoseconds of each. */
  run(op: string, sequences: readonly Sequence[]): Promise<readonly number[]>;
  /** Frees everything that was not freed. */
  dispose(): Promise<void>;
}
