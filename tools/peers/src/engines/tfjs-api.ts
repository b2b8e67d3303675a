/** The part of TensorFlow.js that is used here. */
export interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

type Pair = readonly [number, number];
type ExplicitPadding = readonly [Pair, Pair, Pair, Pair];
type Rounding = 'floor' | 'ceil';

export interface Optimizer {
  minimize(loss: () => Tensor, returnCost: true, parameters: readonly Tensor[]): Tensor;
}

export interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  env(): { getAsync(flag: 'WASM_HAS_MULTITHREAD_SUPPORT'): Promise<boolean> };
  tidy<T>(work: () => T): T;
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype: 'float32' | 'int32'): Tensor;
  variable(initial: Tensor): Tensor;
  oneHot(indices: Tensor, depth: number): Tensor;
  conv2d(x: Tensor, filter: Tensor, strides: Pair, pad: ExplicitPadding, format: 'NHWC', dilations: Pair, rounding: Rounding): Tensor;
  depthwiseConv2d(
    x: Tensor,
    filter: Tensor,
    strides: Pair,
    pad: ExplicitPadding,
    format: 'NHWC',
    dilations: Pair,
    rounding: Rounding,
  ): Tensor;
  maxPool(x: Tensor, window: Pair, strides: Pair, pad: ExplicitPadding, rounding: Rounding): Tensor;
  avgPool(x: Tensor, window: Pair, strides: Pair, pad: ExplicitPadding, rounding: Rounding): Tensor;
  batchNorm(x: Tensor, mean: Tensor, variance: Tensor, offset: Tensor, scale: Tensor, epsilon: number): Tensor;
  moments(x: Tensor, axes: readonly number[]): { readonly mean: Tensor; readonly variance: Tensor };
  mean(x: Tensor, axes: readonly number[], keepDims: boolean): Tensor;
  sum(x: Tensor, axes: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  concat(tensors: readonly Tensor[], axis: number): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  div(a: Tensor, b: Tensor): Tensor;
  maximum(a: Tensor, b: Tensor): Tensor;
  minimum(a: Tensor, b: Tensor): Tensor;
  relu(x: Tensor): Tensor;
  sigmoid(x: Tensor): Tensor;
  neg(x: Tensor): Tensor;
  abs(x: Tensor): Tensor;
  exp(x: Tensor): Tensor;
  log(x: Tensor): Tensor;
  sqrt(x: Tensor): Tensor;
  tanh(x: Tensor): Tensor;
  readonly image: { resizeNearestNeighbor(x: Tensor, size: Pair): Tensor };
  readonly losses: { softmaxCrossEntropy(oneHot: Tensor, logits: Tensor): Tensor };
  readonly train: { momentum(learningRate: number, momentum: number): Optimizer };
  readonly fused: {
    conv2d(options: {
      readonly x: Tensor;
      readonly filter: Tensor;
      readonly strides: Pair;
      readonly pad: ExplicitPadding;
      readonly dilations: Pair;
      readonly bias?: Tensor;
      readonly activation: 'linear' | 'relu';
    }): Tensor;
  };
  engine(): { runKernel(name: string, inputs: Readonly<Record<string, Tensor>>, attributes: object): Tensor };
}

export interface TfjsWasm {
  readonly setWasmPaths: (folder: string) => void;
  readonly setThreadsCount: (threads: number) => void;
}
