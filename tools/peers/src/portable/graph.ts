import type { Dtype, Padding2d, Shape, Size2d } from '@shoal/core';

/** A tensor by name. Images are [n, h, w, c], convolution weights [kh, kw, in / groups, out]: engines of another layout permute at the edge. */
export interface PortableTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** A sliding window, everything resolved. */
export interface PortableWindow {
  readonly window: Size2d;
  readonly stride: Size2d;
  readonly dilation: Size2d;
  readonly padding: Padding2d;
}

export type Unary = 'relu' | 'sigmoid' | 'neg' | 'abs' | 'exp' | 'log' | 'sqrt' | 'tanh';
export type Binary = 'add' | 'sub' | 'mul' | 'div' | 'max' | 'min';

/** What a node computes: the few words that every engine knows. */
export type PortableOp =
  /** x, weight and, optionally, bias [out]. */
  | ({ readonly op: 'conv2d'; readonly groups: number } & PortableWindow)
  | ({ readonly op: 'maxPool'; readonly ceilMode: boolean } & PortableWindow)
  | ({ readonly op: 'averagePool'; readonly ceilMode: boolean; readonly countIncludePad: boolean } & PortableWindow)
  /** [n, h, w, c] to [n, 1, 1, c]. */
  | { readonly op: 'globalAveragePool' }
  /** x, gamma, beta: normalised by the statistics of the batch. */
  | { readonly op: 'batchNorm'; readonly epsilon: number }
  /** x, scale [c], shift [c]: batch norm at inference. */
  | { readonly op: 'affine' }
  /** Sums of `c / groups` channels: neighbours (`contiguous`), or every `groups`-th. */
  | { readonly op: 'channelGroupSum'; readonly groups: number; readonly layout: 'contiguous' | 'interleaved' }
  | { readonly op: 'upsampleNearest'; readonly scale: Size2d }
  /** Along the channels. */
  | { readonly op: 'concat' }
  /** [m, k] by [k, n]. */
  | { readonly op: 'matmul' }
  | { readonly op: 'reshape' }
  | { readonly op: Unary | Binary };

export interface PortableNode {
  readonly kernel: PortableOp;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** A network as data. `tensors` has every name that a node reads or writes. */
export interface PortableGraph {
  readonly tensors: readonly PortableTensor[];
  /** What a run is fed. */
  readonly inputs: readonly string[];
  /** Weights and the like: known before the first run. */
  readonly constants: readonly string[];
  /** Inputs before users. */
  readonly nodes: readonly PortableNode[];
  readonly output: string;
}

export type PortableData = ReadonlyMap<string, Float32Array | Int32Array>;

/** What to do with the graph. */
export type Task =
  /** Compute the output. */
  | { readonly phase: 'fwd' }
  /** Given `seed`, the gradient to the output, compute the gradients to inputs, the forward pass being done already. */
  | { readonly phase: 'bwd'; readonly seed: string; readonly wrt: readonly string[] }
  /** One step of stochastic gradient descent on the mean softmax cross-entropy of the output with `labels`. */
  | {
      readonly phase: 'step';
      readonly labels: string;
      readonly parameters: readonly string[];
      readonly learningRate: number;
      readonly momentum: number;
    };

/** A piece of work in a form that every engine can read. */
export interface PortableWork {
  readonly graph: PortableGraph;
  readonly task: Task;
  /** Inputs, constants, and the seed or the labels. */
  readonly data: PortableData;
}

export const tensorOf = ({ tensors }: PortableGraph, name: string): PortableTensor => {
  const found = tensors.find((tensor) => tensor.name === name);
  if (!found) throw new Error(`the graph has no tensor '${name}'`);
  return found;
};
