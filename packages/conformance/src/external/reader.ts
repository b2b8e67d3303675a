import {
  input,
  variable,
  windowExtent,
  type Dtype,
  type Padding2d,
  type Padding2dOption,
  type Size2d,
  type Value,
  type Variable,
} from '@shoal/core';
import type { Attribute, ExternalCase, ExternalTensor } from './format.ts';
import { permuteData, permuteShape, type Layout } from './layout.ts';

/** Why a case cannot run: no such op here, an attribute Shoal lacks, a rank it has not, or a deliberate difference in meaning. */
export type SkipReason = 'op' | 'attribute' | 'rank' | 'semantics';

/** Thrown while a case is mapped, and turned into a counted skip. */
export class SkipCase extends Error {
  readonly reason: SkipReason;

  constructor(reason: SkipReason, detail: string) {
    super(detail);
    this.name = 'SkipCase';
    this.reason = reason;
  }
}

/** A tensor of the case as the graph sees it: permuted into Shoal's layout. */
export interface PlannedTensor {
  readonly tensor: ExternalTensor;
  readonly value: Value;
  readonly layout: Layout;
  /** Numbers in Shoal's layout and convention: to be fed, or expected. */
  readonly data: readonly number[];
}

/** Turns one number of the source's convention into Shoal's. */
export type Convert = (value: number) => number;

/**
 * Reads one case while its graph is built, and remembers what is fed and what is expected. Every attribute must be read:
 * one that nobody asked for is one that Shoal does not honour.
 */
export class CaseReader {
  readonly case: ExternalCase;
  readonly inputs: PlannedTensor[] = [];
  readonly outputs: PlannedTensor[] = [];
  /** Sums and products must come out exactly, in float32 too. */
  exact = false;
  readonly #read = new Set<string>();

  constructor(one: ExternalCase) {
    this.case = one;
  }

  // --- inputs

  /** True when the case has this input, by position or name. */
  has(which: number | string): boolean {
    return this.#find(which) !== null;
  }

  /** The input as the file has it. */
  tensor(which: number | string): ExternalTensor {
    return this.#find(which) ?? this.skip('attribute', `input ${which} is missing`);
  }

  /** The input as a graph input, its axes permuted into `layout` where one is given, its numbers through `convert`. */
  value(which: number | string, layout?: Layout, convert?: Convert): Value {
    const tensor = this.tensor(which);
    const known = this.inputs.find((planned) => planned.tensor === tensor);
    if (known) return known.value;
    const axes = layout ?? tensor.shape.map((_, axis) => axis);
    const value = input(`${tensor.name || 'x'}#${this.inputs.length}`, permuteShape(tensor.shape, axes), dtypeOf(tensor));
    this.inputs.push(this.#planned(tensor, value, axes, convert));
    return value;
  }

  /** {@link value}, or undefined where the input was left out. */
  optional(which: number | string, layout?: Layout): Value | undefined {
    return this.has(which) ? this.value(which, layout) : undefined;
  }

  /** An input as state of the runtime, holding the case's numbers. */
  variable(which: number | string): Variable {
    const { name, shape, data } = this.tensor(which);
    return variable(name || String(which), shape, data);
  }

  /** An image, checked to be of rank 4 and permuted to NHWC. */
  image(which: number | string, layout: Layout): Value {
    this.checkRank(which, 4);
    return this.value(which, layout);
  }

  checkRank(which: number | string, ...ranks: readonly number[]): void {
    const { shape } = this.tensor(which);
    if (!ranks.includes(shape.length)) this.skip('rank', `rank ${shape.length} where ${ranks.join(' or ')} is needed`);
  }

  #find(which: number | string): ExternalTensor | null {
    if (typeof which === 'number') return this.case.inputs[which] ?? null;
    return this.case.inputs.find((tensor) => tensor?.name === which) ?? null;
  }

  // --- attributes

  number(name: string, fallback: number): number {
    const value = this.attribute(name) ?? fallback;
    return typeof value === 'boolean'
      ? Number(value)
      : typeof value === 'number'
        ? value
        : this.skip('attribute', `${name} is not a number`);
  }

  flag(name: string): boolean {
    return this.number(name, 0) !== 0;
  }

  text(name: string, fallback: string): string {
    const value = this.attribute(name) ?? fallback;
    return typeof value === 'string' ? value : this.skip('attribute', `${name} is not text`);
  }

  list(name: string): readonly number[] | undefined {
    const value = this.attribute(name);
    if (value === null || value === undefined) return undefined;
    return numbersOf(value) ?? this.skip('attribute', `${name} is not a list of numbers`);
  }

  attribute(name: string): Attribute | undefined {
    this.#read.add(name);
    return this.case.attributes[name];
  }

  /** Skips unless the attribute is absent or one of these. */
  require(name: string, ...values: readonly Attribute[]): void {
    const value = this.attribute(name);
    if (value !== undefined && !values.includes(value)) this.skip('attribute', `${name} is ${JSON.stringify(value)}`);
  }

  /** Declares attributes that repeat what the shapes say, or mean nothing here. */
  ignore(...names: readonly string[]): void {
    names.forEach((name) => this.#read.add(name));
  }

  unread(): readonly string[] {
    return Object.keys(this.case.attributes).filter((name) => !this.#read.has(name));
  }

  /** `[height, width]` of a list attribute; one number stands for both. */
  size(name: string, fallback: number): Size2d {
    const [height = fallback, width = height] = this.list(name) ?? [];
    return { height, width };
  }

  skip(reason: SkipReason, detail: string): never {
    throw new SkipCase(reason, detail);
  }

  // --- outputs

  /**
   * Says which value is output `index` of the case, and how its axes stand there; `convert` is applied to the expected numbers.
   * Outputs that the case does not assert are dropped.
   */
  output(index: number, value: Value, layout?: Layout, convert?: Convert): void {
    const tensor = this.case.outputs[index];
    if (tensor) this.outputs.push(this.#planned(tensor, value, layout ?? tensor.shape.map((_, axis) => axis), convert));
  }

  #planned(tensor: ExternalTensor, value: Value, layout: Layout, convert: Convert | undefined): PlannedTensor {
    const data = permuteData(tensor.data, tensor.shape, layout);
    return { tensor, value, layout, data: convert ? data.map(convert) : data };
  }

  /** Literal data of an input, where a graph cannot depend on it at run time (axes, sizes, pads). */
  constants(which: number | string): readonly number[] | undefined {
    return this.has(which) ? this.tensor(which).data : undefined;
  }
}

/** `[top, left, bottom, right]`. */
export function paddingOf([top = 0, left = 0, bottom = 0, right = 0]: readonly number[]): Padding2d {
  return { top, left, bottom, right };
}

interface PooledWindow {
  readonly window: Size2d;
  readonly stride: Size2d;
  readonly dilation: Size2d;
  readonly padding: Padding2dOption;
}

/** Skips a pooling whose padding is as large as its window: Shoal rejects it, since a window of nothing but padding has no value. */
export function poolable<W extends PooledWindow>(r: CaseReader, pooled: W): W {
  const { window, dilation, padding } = pooled;
  const [height, width] = [windowExtent(window.height, dilation.height), windowExtent(window.width, dilation.width)];
  const {
    top = 0,
    bottom = 0,
    left = 0,
    right = 0,
  } = typeof padding === 'number'
    ? { top: padding, bottom: padding, left: padding, right: padding }
    : typeof padding === 'object'
      ? padding
      : {};
  if (Math.max(top, bottom) >= height || Math.max(left, right) >= width) r.skip('attribute', 'padding as large as the window');
  return pooled;
}

function dtypeOf({ dtype }: ExternalTensor): Dtype {
  return dtype === 'int32' || dtype === 'int64' ? 'i32' : 'f32';
}

function numbersOf(value: Attribute): readonly number[] | null {
  const list = Array.isArray(value) ? value : [value];
  const numbers = list.filter((each): each is number => typeof each === 'number');
  return numbers.length === list.length ? numbers : null;
}
