import type { DeviceInfo } from './backend.ts';
import type { AnyOp, Node, Op, OpSite, Value } from './graph.ts';

/** The answer to "can you run this?": never an exception in the middle of a run. */
export type Support = { readonly supported: true } | { readonly supported: false; readonly reason: string };

export const supported: Support = { supported: true };
export const unsupported = (reason: string): Support => ({ supported: false, reason });

/** What elementwise work a kernel can take over from its neighbours. */
export interface Fusion {
  /** Applies an expression to output 0 before storing it: input 0 is the result, the others are read at the same place or per channel. */
  readonly epilogue?: boolean;
  /**
   * Inputs that may be expressions of other tensors, evaluated while loading. `masked` kernels apply padding after the
   * expression, so any expression will do; `zero-preserving` ones read a zero halo through it, so f(0) = 0 must be proven.
   */
  readonly load?: Readonly<Record<number, 'masked' | 'zero-preserving'>>;
  /**
   * Output 0 may be a slice of a concatenation along the last axis, and each of its cells (a place on all axes but the last) may lie in several
   * places (see `repeats` of a kernel): the kernel stores vectors that do not reach from one cell into the next.
   */
  readonly slice?: boolean;
  /** For the kernel of maps: inputs may be expressions over the output's shape, whose values it can write to outputs of their own as well. */
  readonly keepsLoads?: boolean;
}

/**
 * Which tensors output 0 may be written over, where they have its size and nobody needs them afterwards: the kernel reads each of their
 * elements no later than it writes the one in the same place, whichever thread does it, and writes each once.
 */
export interface InPlace {
  /** Inputs; where one is a fused expression, what that reads. */
  readonly inputs?: readonly number[] | 'all';
  /** Full-size tensors that a fused epilogue reads. */
  readonly epilogue?: boolean;
}

/** What a kernel may ask while it says an op in others. */
export interface Lowering {
  /** The device that the program is for: its flags say what kernels may choose. */
  readonly device: DeviceInfo;
  /** Whether a value depends on constants and variables alone, none of them updated by the program: it is computed once per version of them. */
  readonly isStatic: (value: Value) => boolean;
}

/** What every backend's kernels have in common. A kernel is a value: a runtime is made from an explicit list of them. */
export interface Kernel {
  readonly op: AnyOp;
  /** The backend it is written for: `reference`, `wasm`, `webgpu`, `tfjs`. */
  readonly backend: string;
  readonly supports?: (site: OpSite<never>) => Support;
  readonly fusion?: Fusion;
  readonly inPlace?: (site: OpSite<never>) => InPlace;
  /**
   * Whether it repeats each cell of its first input, [..., h, w, c], in rows and columns and does nothing else: with whole factors, output cell
   * (row, column) is input cell (floor(row / height), floor(column / width)). A kernel that can write slices then does so in its stead.
   */
  readonly repeats?: (site: OpSite<never>) => boolean;
  /**
   * Says the same in ops of the backend's own, as graph; null leaves the node as it is. What the new ops make of weights alone,
   * such as packing them into panels, is then computed once per version of the weights, like everything static.
   */
  readonly lower?: (inputs: readonly Value[], attributes: never, lowering: Lowering) => readonly Value[] | null;
}

/** A plugin's kernels for one backend, named like its ops: `satisfies KernelsOf<typeof ops, ReferenceKernel>` proves that none is missing. */
export type KernelSet<K extends Kernel = Kernel> = Readonly<Record<string, K>>;

/** The ops among a module's exports. */
export type OpNames<Module> = { [Name in keyof Module]: Module[Name] extends Op<infer _> ? Name : never }[keyof Module];

/** One kernel for each op that a module exports. */
export type KernelsOf<Module, K extends Kernel> = Readonly<Record<OpNames<Module>, K>>;

/** A node as a kernel sees it. */
export function siteOf(node: Node): OpSite<never> {
  return { inputs: node.inputs, outputs: node.outputs, attributes: node.attributes as never };
}
