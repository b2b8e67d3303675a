import type { Shape, Size2d, Value } from '@shoal/core';
import type { Address } from './machine.ts';

/** What a convolution computes from its three tensors: `y` of `x` and `w`, `x` of `w` and `y`, or `w` of `x` and `y`. */
export type ConvolutionPass = 'forward' | 'backward-data' | 'backward-filter';

/** One pass of a convolution as libraries take it. */
export interface Convolution {
  readonly pass: ConvolutionPass;
  /** [n, h, w, in] */
  readonly x: Shape;
  /** [out, kh, kw, in / groups] */
  readonly w: Shape;
  /** [n, oh, ow, out] */
  readonly y: Shape;
  readonly stride: Size2d;
  readonly dilation: Size2d;
  /** Cells on both sides of each axis. */
  readonly padding: Size2d;
  readonly groups: number;
}

/** A convolution that a library has chosen a way for; it belongs to a program. */
export interface ConvolutionPlan {
  /** Of memory that is its own while it runs. */
  readonly workspaceBytes: number;
  dispose(): void;
}

/** A library that computes convolutions on the machine. */
export interface ConvolutionLibrary {
  /** Null for what it does not compute, or not with the same bits on every run. */
  plan(convolution: Convolution): ConvolutionPlan | null;
}

/** A call of a {@link ConvolutionPlan}, before memory is placed: the pass's operands in the order of x, w, y. */
export interface ConvolutionCall {
  readonly plan: ConvolutionPlan;
  readonly operands: readonly [Value, Value];
  readonly result: Value;
  readonly workspace: Value | null;
}

/** The same as a machine does it. */
export interface ConvolutionCommand {
  readonly kind: 'convolution';
  readonly plan: ConvolutionPlan;
  readonly operands: readonly [Address, Address];
  readonly result: Address;
  readonly workspace: Address | null;
}

/** How a step asks for plans. */
export type PlanConvolution = (convolution: Convolution) => ConvolutionPlan | null;

/** The plans of one program: one for each convolution, however often it occurs. */
export class ProgramPlans {
  readonly #library: ConvolutionLibrary | null;
  readonly #plans = new Map<string, ConvolutionPlan | null>();

  constructor(library: ConvolutionLibrary | null) {
    this.#library = library;
  }

  readonly plan: PlanConvolution = (convolution) => {
    if (!this.#library) return null;
    const key = JSON.stringify(convolution);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const made = this.#library.plan(convolution);
    this.#plans.set(key, made);
    return made;
  };

  dispose(): void {
    this.#plans.forEach((plan) => plan?.dispose());
    this.#plans.clear();
  }
}
