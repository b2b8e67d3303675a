import {
  exactArray,
  sizeOf,
  type Kernel,
  type Op,
  type OpSite,
  type Shape,
  type Support,
  type TensorData,
  type TensorType,
} from '@shoal/core';
import type { ReferenceKernel, ReferenceTensor } from '@shoal/core/reference';
import type { Engine, Tensor, Tensorflow } from './engine.ts';
import { upload } from './transfer.ts';

export interface TfjsSite<A> {
  readonly engine: Engine;
  /** The namespace of the engine, `engine.tf`. */
  readonly tf: Tensorflow;
  /** f32 as `float32`; i32 as `int32`; u32 as the `int32` of the same bits. Some may be empty, which engines do not agree on. */
  readonly inputs: readonly Tensor[];
  /** The numbers of the inputs that the kernel asked for with `reads`. */
  readonly host: readonly (TensorData | undefined)[];
  readonly outputs: readonly TensorType[];
  readonly attributes: A;
}

/** An op written in ops of TensorFlow.js. What it leaves behind is disposed of, and its result kept, by whoever calls it. */
export interface TfjsKernel extends Kernel {
  readonly backend: 'tfjs';
  readonly run: (site: TfjsSite<never>) => readonly Tensor[];
  /** Numbers of the inputs that must be on the host before it runs. */
  readonly reads?: (site: OpSite<never>, engine: Engine) => readonly number[];
  /** The highest rank that it asks of the engine; by default that of the inputs and outputs. */
  readonly rank?: (site: OpSite<never>) => number;
}

export interface TfjsKernelOptions<A extends object> {
  readonly supports?: (site: OpSite<A>) => Support;
  readonly reads?: (site: OpSite<A>, engine: Engine) => readonly number[];
  readonly rank?: (site: OpSite<A>) => number;
}

/**
 * A kernel for any engine of TensorFlow.js: it returns one tensor for each output of the op, of its shape and dtype. Where every
 * output is empty it is not asked.
 */
export function tfjsKernel<A extends object>(
  op: Op<A>,
  run: (site: TfjsSite<A>) => readonly Tensor[],
  options: TfjsKernelOptions<A> = {},
): TfjsKernel {
  return { op, backend: 'tfjs', run, ...options };
}

const every = ({ inputs }: OpSite<never>): readonly number[] => inputs.map((_, i) => i);

/** An op's definition, run on the host: for what engines lack, or do each in its own way. */
export function hostKernel(reference: ReferenceKernel): TfjsKernel {
  return { op: reference.op, backend: 'tfjs', run: (site) => runOnHost(reference, site), reads: every, rank: () => 0 };
}

/**
 * `kernel` where no integers are involved, the op's definition on the host otherwise: engines compute with int32 each in its own way
 * (webgpu in float32, cpu in float64), and integer tensors are few and small.
 *
 * @param decided the inputs to judge by, where it is not all of them
 */
export function unlessInteger(
  kernel: TfjsKernel,
  reference: ReferenceKernel,
  decided: (input: number) => boolean = () => true,
): TfjsKernel {
  return {
    ...kernel,
    run: (site) => (site.inputs.some(({ dtype }, i) => decided(i) && dtype !== 'float32') ? runOnHost(reference, site) : kernel.run(site)),
    reads: (site, engine) =>
      site.inputs.some(({ dtype }, i) => decided(i) && dtype !== 'f32') ? every(site) : (kernel.reads?.(site, engine) ?? []),
  };
}

function runOnHost(reference: ReferenceKernel, { tf, inputs, host, outputs, attributes }: TfjsSite<never>): readonly Tensor[] {
  const results = outputs.map(({ shape, dtype }): ReferenceTensor => ({ shape, dtype, data: exactArray(dtype, sizeOf(shape)) }));
  reference.run({ inputs: inputs.map(({ shape }, i) => exactTensor(shape, host[i]!)), outputs: results, attributes });
  return results.map((result) => upload(tf, result, result.data));
}

/** Host numbers as a definition takes them. */
export function exactTensor(shape: Shape, data: TensorData): ReferenceTensor {
  if (data instanceof Int32Array) return { shape, dtype: 'i32', data };
  if (data instanceof Uint32Array) return { shape, dtype: 'u32', data };
  return { shape, dtype: 'f32', data: Float64Array.from(data) };
}
