import { ShoalError } from '@shoal/core';

/** What is known about a tensor: its sum and norm over all elements, and the first few, in the order of [n,c,h,w]. */
export interface TensorFacts {
  readonly sum: number;
  readonly l2: number;
}

export interface LogitFacts extends TensorFacts {
  readonly shape: readonly number[];
  readonly first16: readonly number[];
  readonly argmax: number;
}

export interface StageFacts {
  /** `layer1.0`, `all_feat[0] (input of fish.fish.0)`: what is in parentheses is a remark. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly f32: TensorFacts & { readonly first4: readonly number[] };
  readonly f64: TensorFacts & { readonly first4: readonly number[] };
}

export interface ImageFacts {
  /** Names the numbers: see {@link formulaTensor}. */
  readonly name: string;
  readonly shape: readonly [n: number, c: number, h: number, w: number];
  readonly bits_sum_u32: number;
}

/** Norm and first elements in float64, the same in float32, and the relative L2 difference of the whole tensor between the two. */
export type GradientRow = readonly [
  name: string,
  l2F64: number,
  first4F64: readonly number[],
  l2F32: number,
  first4F32: readonly number[],
  noise: number,
];

/** A network evaluated and trained for one step in PyTorch, in float32 and float64, under weights that a formula gives. */
export interface Golden {
  /** `resnet18`; `model-a.pool-ceil` is `model-a` with the other alignment of its poolings. */
  readonly net: string;
  /** Of the weight formula: weights have variance `gain2 / fanIn`. */
  readonly gain2: number;
  readonly weights_bits_sum_u32: number;
  /** Name, shape in PyTorch's layout, and kind of every tensor of the state dict, in its order. */
  readonly params?: readonly (readonly [name: string, shape: readonly number[], kind: string])[];
  readonly eval?: {
    readonly input: ImageFacts;
    readonly f32: LogitFacts;
    readonly f64: LogitFacts;
    readonly f32_vs_f64_maxerr_over_rms: number;
    readonly stages: readonly StageFacts[];
  };
  readonly train: {
    /** `eval-mode BatchNorm ...` where batch norm reads its running statistics. */
    readonly mode: string;
    readonly input: ImageFacts;
    readonly labels: readonly number[];
    readonly loss_f32: number;
    readonly loss_f64: number;
    readonly logits_f32: LogitFacts;
    readonly logits_f64: LogitFacts;
    readonly logits_f32_vs_f64_maxerr_over_rms: number;
    readonly stages: readonly StageFacts[];
    readonly grads: readonly GradientRow[];
    readonly bn_running_after: readonly GradientRow[];
    /** Gradients that only rounding keeps from 0. */
    readonly mathematically_zero_grads?: readonly string[];
    readonly grad_f32_vs_f64: { readonly median: number };
  };
  readonly extra?: {
    readonly without_final_relu_f64?: {
      readonly eval_logits: LogitFacts;
      readonly train_loss: number;
      readonly grad_total_l2: number;
    };
  };
}

/** Reads the text of a golden file. @throws ShoalError `FEED` when it is none, with what is missing */
export function parseGolden(text: string): Golden {
  const wrong = (fact: string, cause?: unknown): ShoalError =>
    new ShoalError('FEED', { op: 'golden', fact, next: 'Give a file with net, gain2, weights_bits_sum_u32 and train', cause });
  let golden: Partial<Golden> | null;
  try {
    golden = JSON.parse(text) as Partial<Golden> | null;
  } catch (cause) {
    throw wrong(`this is no JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (typeof golden !== 'object' || golden === null || Array.isArray(golden)) throw wrong('this is no object');
  const missing = (['net', 'gain2', 'weights_bits_sum_u32', 'train'] as const).filter((key) => golden[key] === undefined);
  if (missing.length > 0) throw wrong(`${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing`);
  return golden as Golden;
}
