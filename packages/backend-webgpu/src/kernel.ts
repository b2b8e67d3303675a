import type { Dtype, Fusion, Kernel, Lowering, Op, OpSite, Shape, Support, TensorType, Value } from '@shoal/core';
import { printConstant } from './expression.ts';

/**
 * One compute dispatch, as WGSL text. The backend adds bindings, the entry point and the folding of more than 65535
 * workgroups into y and z. Make one with `elements` or `workgroups`.
 */
export interface Dispatch {
  /** How many workgroups; 0 dispatches nothing. */
  readonly groups: number;
  /** Threads in each. */
  readonly size: number;
  /** Statements. `group` (which workgroup) and `lane` (which thread of it) are i32. */
  readonly body: string;
  /** Functions and workgroup variables at module scope. */
  readonly declarations?: string;
  /** Ways to the same bits, of which the device may choose the fastest; this is the first of them. See {@link variants}. */
  readonly variants?: readonly Variant[];
  /** Of a matrix product, for those who count. */
  readonly product?: ProductCount;
}

/**
 * One of several ways to compute the same, bit for bit. It takes no more than every device has: 256 threads, 16 KiB of workgroup memory.
 * Timing runs it on whatever is in memory, so no index and no loop may depend on what tensors hold.
 */
export interface Variant {
  /** Says what differs, such as a tile: `64x32`. */
  readonly name: string;
  readonly print: () => Dispatch;
}

export interface ProductCount {
  /** The parts of tiles that lie outside the product included. */
  readonly multiplyAccumulates: number;
  /** Sums that a thread keeps in registers. */
  readonly accumulators: number;
}

/** A tensor that a kernel reads. Indices are i32 expressions counting elements row-major. */
export interface WgslInput extends TensorType {
  readonly size: number;
  /** An expression for one element; where an elementwise chain was fused into the load, its value there. */
  readonly read: (index: string) => string;
  /** A `vec4` of the elements from `4 * index` on; only where `size` divides by four. The values are those of `read`. */
  readonly read4: (index: string) => string;
}

/** A tensor that a kernel writes. */
export interface WgslOutput extends TensorType {
  readonly size: number;
  /** False where nobody reads it: `write` then gives an empty statement, and the work for it can be left out. */
  readonly wanted: boolean;
  /** A statement that stores one element, through the fused epilogue if there is one. Each element is stored once. */
  readonly write: (index: string, value: string) => string;
  /** A statement that stores a `vec4` at the elements from `4 * index` on; only where `size` divides by four. */
  readonly write4: (index: string, value: string) => string;
}

/** Device memory between the dispatches of one step, undefined at the start. */
export interface WgslScratch {
  readonly size: number;
  readonly read: (index: string) => string;
  readonly read4: (index: string) => string;
  readonly write: (index: string, value: string) => string;
  readonly write4: (index: string, value: string) => string;
}

/** A node as a kernel prints it. Every size is known: print it as a constant. */
export interface WgslSite<A> {
  readonly inputs: readonly WgslInput[];
  readonly outputs: readonly WgslOutput[];
  readonly attributes: A;
  /** How many threads share values without memory, at least: WGSL's subgroup operations may be used. 0 where the device has none. */
  readonly subgroup: number;
  readonly scratch: (dtype: Dtype, size: number) => WgslScratch;
}

/** A kernel for the WebGPU backend: prints WGSL for one node. Make one with {@link wgslKernel}. */
export interface WebgpuKernel extends Kernel {
  readonly backend: 'webgpu';
  readonly emit: (site: WgslSite<never>) => readonly Dispatch[];
}

export interface WgslKernelOptions<A extends object> {
  /** Sites it cannot do, with the reason. Default: all are supported. */
  readonly supports?: (site: OpSite<A>) => Support;
  /**
   * Elementwise work it can take over. Any kernel whose outputs are written with `write` or `write4`, each element once, can take
   * an `epilogue`; any input read with `read` or `read4` inside the tensor's bounds only can take a `masked` load.
   */
  readonly fusion?: Fusion;
  /** Says the same in ops of this backend, such as one that transforms weights and one that uses them; null leaves the node as it is. */
  readonly lower?: (inputs: readonly Value[], attributes: A, lowering: Lowering) => readonly Value[] | null;
  /** Prints the dispatches, run one after the other; each sees what those before it wrote. */
  readonly emit: (site: WgslSite<A>) => readonly Dispatch[];
}

/**
 * A WGSL kernel for an op.
 *
 * The text may use the names that `read` and `write` return, and its own; names of the form `in0`, `out0`, `scratch0`, `t0` and
 * `shoal_*` are taken. Results must not depend on the order in which threads run: no atomics, every output element has one writer.
 */
export function wgslKernel<A extends object>(op: Op<A>, options: WgslKernelOptions<A>): WebgpuKernel {
  return { op, backend: 'webgpu', ...options };
}

/** Ways to compute the same, the one that is estimated to be fastest first. Each result has to be the same sum in the same order in all. */
export function variants(ways: readonly [Variant, ...Variant[]]): Dispatch {
  return { ...ways[0].print(), variants: ways };
}

/** {@link elements} in workgroups of several sizes. */
export function tunedElements(count: number, body: string, declarations = ''): Dispatch {
  const ofSize = (size: number): Variant => ({ name: `${size} threads`, print: () => elements(count, body, declarations, size) });
  return variants([ofSize(64), ofSize(128), ofSize(256)]);
}

/** `count` threads, one for each value of `i` (i32) from 0, in workgroups of `size`. */
export function elements(count: number, body: string, declarations = '', size = 64): Dispatch {
  const guard = count % size === 0 ? '' : `if (i >= ${count}) { return; }\n`;
  return { groups: Math.ceil(count / size), size, body: `let i = group * ${size} + lane;\n${guard}${body}`, declarations };
}

/** `groups` workgroups of `size` threads that may share workgroup variables and barriers; `group` is uniform. */
export function workgroups(groups: number, size: number, body: string, declarations = ''): Dispatch {
  return { groups, size, body, declarations };
}

/** How many elements a kernel takes at once. */
export type Width = 1 | 4;

/** Reads the `width` elements from `index` on, which divides by it. */
export function readAt({ read, read4 }: Pick<WgslInput, 'read' | 'read4'>, index: string, width: Width): string {
  return width === 4 ? read4(`(${index}) / 4`) : read(index);
}

/** Stores the `width` elements from `index` on, which divides by it. */
export function writeAt({ write, write4 }: Pick<WgslOutput, 'write' | 'write4'>, index: string, value: string, width: Width): string {
  return width === 4 ? write4(`(${index}) / 4`, value) : write(index, value);
}

/** The type of as many f32. */
export const floats = (width: Width): string => (width === 4 ? 'vec4<f32>' : 'f32');

/**
 * Statements that take a row-major index apart: `unravel('i', [2, 3, 5], ['n', 'h', 'c'])` declares `n`, `h` and `c`.
 * An axis named null is skipped.
 */
export function unravel(index: string, shape: Shape, names: readonly (string | null)[]): string {
  let inner = shape.reduce((product, n) => product * n, 1);
  return shape
    .map((n, axis) => {
      const outermost = axis === 0;
      inner /= n || 1;
      const name = names[axis];
      if (!name) return '';
      const quotient = inner === 1 ? `(${index})` : `(${index}) / ${inner}`;
      return `let ${name} = ${n === 1 ? '0' : outermost ? quotient : `(${quotient}) % ${n}`};\n`;
    })
    .join('');
}

/** The row-major index of a position: `ravel([2, 3, 5], ['n', 'h', 'c'])` is `((n) * 3 + (h)) * 5 + (c)`. */
export function ravel(shape: Shape, position: readonly string[]): string {
  return position.reduce((sum, p, axis) => (axis === 0 ? `(${p})` : `(${sum}) * ${shape[axis]!} + (${p})`), '0');
}

/** Numbers that a shader looks up. */
export interface WgslTable {
  /** At module scope; empty where all numbers are equal. */
  readonly declaration: string;
  readonly at: (index: string) => string;
}

/** A table of known finite numbers, computed in float64 on the host, such as one per row of a plane. */
export function constantTable(name: string, dtype: 'f32' | 'i32', values: readonly number[]): WgslTable {
  const print = (value: number): string => printConstant(value, dtype);
  const [first] = values;
  if (first !== undefined && values.every((value) => value === first)) return { declaration: '', at: () => print(first) };
  const declaration = `const ${name} = array<${dtype}, ${values.length}>(${values.map(print).join(', ')});\n`;
  return { declaration, at: (index) => `${name}[${index}]` };
}
