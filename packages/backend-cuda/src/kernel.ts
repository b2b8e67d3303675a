import type { Dtype, Fusion, Kernel, Lowering, Op, OpSite, Shape, Support, TensorType, Value } from '@shoal/core';
import type { Convolution, ConvolutionCall } from './convolution.ts';
import { fixed } from './text.ts';

/**
 * One kernel launch, as CUDA C. The backend adds parameters, the entry point and the functions behind `read` and `write`.
 * Make one with `elements` or `blocks`.
 */
export interface Launch {
  /** How many blocks; 0 launches nothing. */
  readonly blocks: number;
  /** Threads in each. */
  readonly threads: number;
  /**
   * What one block does, as statements that are the same for all its threads; `group` (int) is the block's number. What threads do
   * each for themselves stands in phases. Dimensions of arrays and other numbers that must be known to the compiler are `fixed`.
   */
  readonly body: string;
  /** Functions at namespace scope, marked `SHOAL_DEVICE`. */
  readonly declarations?: string;
  readonly tables?: readonly CudaTable[];
  /** Blocks that a multiprocessor must be able to hold at once, whatever the compiler would rather keep in registers. Default: the compiler decides. */
  readonly resident?: number;
}

/** A tensor that a kernel reads. Indices are int expressions counting elements row-major. */
export interface CudaInput extends TensorType {
  readonly size: number;
  /** An expression for one element; where an elementwise chain was fused into the load, its value there. */
  readonly read: (index: string) => string;
  /**
   * A statement of thread `lane` that begins to copy one element, or four from a multiple of four, to `to`, an address in the block's
   * memory (of four, at a multiple of 16 bytes); a negative index brings zeros. Of float32 alone. What arrives is there after the thread's
   * `shoal_wait<n>(lane)`, which waits for all copies but those of its last n groups (`shoal_commit(lane)` ends a group), and for others after
   * the barrier of that phase; what was there is gone at once.
   */
  readonly copy: (to: string, index: string, count: 1 | 4) => string;
}

/** A tensor that a kernel writes. */
export interface CudaOutput extends TensorType {
  readonly size: number;
  /** False where nobody reads it: `write` then gives an empty statement, and the work for it can be left out. */
  readonly wanted: boolean;
  /** A statement that stores one element, through the fused epilogue if there is one. Each element is stored once. */
  readonly write: (index: string, value: string) => string;
}

/** Device memory between the launches of one step, undefined at the start. */
export interface CudaScratch {
  readonly size: number;
  readonly read: (index: string) => string;
  readonly write: (index: string, value: string) => string;
}

/**
 * How matrix products and convolutions compute: `float32` throughout, or `tf32`: factors rounded to 10 bits after the point where tensor
 * cores take them, sums in float32.
 */
export type Precision = 'float32' | 'tf32';

/** A node as a kernel prints it. Every size is known: print it as a constant; text that sizes shape is one for `generic` to unify. */
export interface CudaSite<A> {
  readonly inputs: readonly CudaInput[];
  readonly outputs: readonly CudaOutput[];
  readonly attributes: A;
  readonly precision: Precision;
  /**
   * Asks for text that is the same for all shapes but for its numbers, as it was compiled before any shape was known. Only what sizes
   * decide otherwise needs to look: leaving out an axis of size 1, say.
   */
  readonly generic: boolean;
  readonly scratch: (dtype: Dtype, size: number) => CudaScratch;
  /**
   * The convolution of the node's two inputs to its output, by a library; null where none computes it. For kernels without fusion: the
   * library reads and writes tensors as they are stored.
   */
  readonly convolution: (convolution: Convolution) => ConvolutionCall | null;
}

/** A kernel for the CUDA backend: prints CUDA C for one node. Make one with {@link cudaKernel}. */
export interface CudaKernel extends Kernel {
  readonly backend: 'cuda';
  readonly emit: (site: CudaSite<never>) => readonly (Launch | ConvolutionCall)[];
}

export interface CudaKernelOptions<A extends object> {
  /** Sites it cannot do, with the reason. Default: all are supported. */
  readonly supports?: (site: OpSite<A>) => Support;
  /**
   * Elementwise work it can take over. Any kernel whose outputs are written with `write`, each element once, can take an
   * `epilogue`; any input read with `read` inside the tensor's bounds only can take a `masked` load.
   */
  readonly fusion?: Fusion;
  /** Says the same in ops of the backend's own, as graph; null leaves the node as it is. */
  readonly lower?: (inputs: readonly Value[], attributes: A, lowering: Lowering) => readonly Value[] | null;
  /** Prints the launches, run one after the other; each sees what those before it wrote. */
  readonly emit: (site: CudaSite<A>) => readonly (Launch | ConvolutionCall)[];
}

/**
 * A CUDA kernel for an op.
 *
 * The text may use the names that `read` and `write` return, and its own; names of the form `in0`, `out0`, `scratch0`, `t0`,
 * `shoal_*` and `SHOAL_*` are taken. Results must not depend on the order in which threads run: no atomics, every output element
 * has one writer. The text is compiled as C++ too, to run on the CPU: it keeps to what both languages have.
 */
export function cudaKernel<A extends object>(op: Op<A>, { emit, lower, supports, fusion }: CudaKernelOptions<A>): CudaKernel {
  return { op, backend: 'cuda', emit, ...(lower ? { lower } : {}), ...(supports ? { supports } : {}), ...(fusion ? { fusion } : {}) };
}

/** Threads of a block whose threads do not work together. */
const elementThreads = 256;

type Extras = Pick<Launch, 'declarations' | 'tables' | 'resident'>;

/** `count` threads, one for each value of `i` (int) from 0. */
export function elements(count: number, body: string, extras: Extras = {}): Launch {
  const threads = elementThreads;
  const text = step(threads, fixed`const int i = group * ${threads} + lane;\nif (i < ${String(count)}) {\n${body}\n}`);
  return { blocks: Math.ceil(count / threads), threads, body: text, ...extras };
}

/** `count` blocks of `threads` threads that work together, in phases over shared memory. */
export function blocks(count: number, threads: number, body: string, extras: Extras = {}): Launch {
  return { blocks: count, threads, body, ...extras };
}

/**
 * What each of a block's threads does, `lane` (int) being its number, until all of them have done it. Variables of a phase end
 * with it; what a thread keeps is declared with {@link own}, and what it shows to others with {@link shared}. In a phase, no thread
 * reads what another one writes in the same phase. A phase never stands under a condition that threads answer differently.
 */
export const phase = (threads: number, body: string): string => fixed`SHOAL_PHASE(${threads})\n${body}\nSHOAL_BARRIER\n`;

/**
 * A {@link phase} after which nobody waits: what follows may use what the same thread did, and warp instructions what the same warp
 * did, but nothing that other threads wrote.
 */
export const step = (threads: number, body: string): string => fixed`SHOAL_STEP(${threads})\n${body}\nSHOAL_END\n`;

/** Declares memory of the block. */
export const shared = (type: string, name: string, size: number): string => fixed`SHOAL_SHARED(${type}, ${name}, ${size})\n`;

/** Declares an array that each thread has of its own, over all phases: element `[1][2]` is `name[SHOAL_OWN][1][2]`. */
export const own = (type: string, name: string, threads: number, dimensions: readonly number[]): string =>
  fixed`SHOAL_PRIVATE(${type}, ${name}, ${dimensions.map((size) => fixed`[${size}]`).join('')}, ${threads})\n`;

/**
 * Statements that take a row-major index apart: `unravel('i', [2, 3, 5], ['n', 'h', 'c'])` declares `n`, `h` and `c`.
 * An axis named null is skipped. No text divides by an axis without elements: it may be computed and not used.
 */
export function unravel(index: string, shape: Shape, names: readonly (string | null)[]): string {
  const sizes = shape.map((n) => Math.max(1, n));
  let inner = sizes.reduce((product, n) => product * n, 1);
  return sizes
    .map((n, axis) => {
      const outermost = axis === 0;
      inner /= n;
      const name = names[axis];
      if (!name) return '';
      const quotient = `(${index}) / ${inner}`;
      return `const int ${name} = ${outermost ? quotient : `(${quotient}) % ${n}`};\n`;
    })
    .join('');
}

/** The row-major index of a position: `ravel([2, 3, 5], ['n', 'h', 'c'])` is `((n) * 3 + (h)) * 5 + (c)`. */
export function ravel(shape: Shape, position: readonly string[]): string {
  return position.reduce((sum, p, axis) => (axis === 0 ? `(${p})` : `(${sum}) * ${shape[axis]!} + (${p})`), '0');
}

/** Numbers that a kernel looks up. */
export interface CudaTable {
  readonly name: string;
  readonly dtype: 'f32' | 'i32';
  readonly values: readonly number[];
  readonly at: (index: string) => string;
}

/** A table of known numbers, computed in float64 on the host, such as one per row of a plane. It goes to {@link elements} with its text. */
export const constantTable = (name: string, dtype: 'f32' | 'i32', values: readonly number[]): CudaTable => ({
  name,
  dtype,
  values,
  at: (index) => `${name}[${index}]`,
});
