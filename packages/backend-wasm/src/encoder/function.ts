import { concatenate, unsigned } from './bytes.ts';
import { atomicInstructions } from './memory.ts';
import { scalarInstructions } from './scalar.ts';
import { simdInstructions } from './simd.ts';
import type { SimdOptions } from './simd.ts';
import { constV128, EncodeError, Local, toF32, toF64, toI32, toI64, toI32x4, Value } from './values.ts';
import type { I32, Lift, Operand, ValueType } from './values.ts';

export const typeCodes: { readonly [T in ValueType]: number } = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const lifts: { readonly [T in ValueType]: Lift<T> } = { i32: toI32, i64: toI64, f32: toF32, f64: toF64, v128: toI32x4 };
/** Lifts to a type known at run time only; numbers for v128 are 32-bit integers in every lane. */
const toType = <T extends ValueType>(type: T, operand: Operand<T>): Value<T> => lifts[type](operand);

export type Parameters = Readonly<Record<string, ValueType>>;
export type Arguments<P extends Parameters> = { readonly [K in keyof P]: Operand<P[K]> };
export type Locals<P extends Parameters> = { readonly [K in keyof P]: Local<P[K]> };

/** A function that code can call. */
export interface FunctionReference<P extends Parameters = Parameters, R extends ValueType | undefined = ValueType | undefined> {
  readonly name: string;
  readonly index: number;
  readonly parameters: P;
  readonly result: R;
}

/** The target of a branch: the end of a block, or the start of a loop. */
export interface Label {
  readonly kind: 'block' | 'loop';
}

export interface FunctionOptions extends SimdOptions {
  readonly name: string;
  readonly parameters: Parameters;
  readonly result: ValueType | undefined;
}

/**
 * Writes the body of one function. Methods are statements: they write code at once, in the order of the calls. Instructions of the namespaces
 * (`f.f32x4.add`, ...) build values, which write nothing until a statement takes them; only their stores are statements.
 */
export class FunctionBuilder {
  readonly i32;
  readonly i64;
  readonly f32;
  readonly f64;
  readonly v128;
  readonly f32x4;
  readonly i32x4;
  readonly f64x2;
  readonly i64x2;
  readonly atomic;
  readonly parameters: { readonly [name: string]: Local };
  readonly #options: FunctionOptions;
  readonly #code: number[] = [];
  readonly #labels: Label[] = [];
  readonly #locals: ValueType[] = [];
  readonly #opened: Local<'v128'>[][] = [];
  readonly #effects: Value[] = [];

  constructor(options: FunctionOptions) {
    this.#options = options;
    const emit = this.#emit.bind(this);
    ({ i32: this.i32, i64: this.i64, f32: this.f32, f64: this.f64 } = scalarInstructions(emit));
    ({ v128: this.v128, f32x4: this.f32x4, i32x4: this.i32x4, f64x2: this.f64x2, i64x2: this.i64x2 } = simdInstructions(emit, options));
    this.atomic = atomicInstructions(emit, this.#effect.bind(this));
    this.parameters = Object.fromEntries(Object.entries(options.parameters).map(([name, type], index) => [name, this.#local(type, index)]));
  }

  /** `f.local.v128(init)` declares a local and sets it; without `init` it holds zero until it is set, and the last value in a later round of a loop. */
  readonly local = {
    i32: (init?: Operand<'i32'>): Local<'i32'> => this.#declare('i32', init),
    i64: (init?: Operand<'i64'>): Local<'i64'> => this.#declare('i64', init),
    f32: (init?: Operand<'f32'>): Local<'f32'> => this.#declare('f32', init),
    f64: (init?: Operand<'f64'>): Local<'f64'> => this.#declare('f64', init),
    v128: (init?: Operand<'v128'>): Local<'v128'> => this.#declare('v128', init),
  };

  /** Puts a value into a new local, so that it can be used many times. */
  let<T extends ValueType>(value: Value<T>): Local<T> {
    return this.#declare(value.type, value);
  }

  set<T extends ValueType>(local: Local<T>, value: Operand<T>): void {
    this.#own(local);
    this.#emit([0x21, ...unsigned(local.index)], toType(local.type, value));
  }

  /** Sets the local and gives the value. */
  tee<T extends ValueType>(local: Local<T>, value: Operand<T>): Value<T> {
    this.#own(local);
    const { type } = local;
    return this.#effect(
      new Value({ type, mnemonic: 'local.tee', code: [0x22, ...unsigned(local.index)], operands: [toType(type, value)] }),
    );
  }

  /** Runs a value for its effect. */
  drop(value: Value): void {
    this.#emit([0x1a], value);
  }

  /** Both values run; the first is taken where the condition is not 0. */
  select<T extends ValueType>(whenTrue: Value<T>, whenFalse: Value<T>, condition: Operand<'i32'>): Value<T> {
    const { type } = whenTrue;
    return new Value({ type, mnemonic: 'select', code: [0x1c, 1, typeCodes[type]], operands: [whenTrue, whenFalse, toI32(condition)] });
  }

  /** A call. Of a function without result it is a statement; otherwise a value, which must be used or dropped. */
  call<P extends Parameters, R extends ValueType>(callee: FunctionReference<P, R>, args: Arguments<P>): Value<R>;
  call<P extends Parameters>(callee: FunctionReference<P, undefined>, args: Arguments<P>): undefined;
  call(callee: FunctionReference, args: Arguments<Parameters>): Value | undefined {
    const unknown = Object.keys(args).find((name) => !(name in callee.parameters));
    if (unknown !== undefined) throw new EncodeError(`${callee.name} has no parameter ${unknown}`);
    const operands = Object.entries(callee.parameters).map(([name, type]) => {
      const operand = args[name];
      if (operand === undefined) throw new EncodeError(`${callee.name} is called without ${name}`);
      return toType(type, operand);
    });
    const code = [0x10, ...unsigned(callee.index)];
    if (callee.result !== undefined)
      return this.#effect(new Value({ type: callee.result, mnemonic: `call ${callee.name}`, code, operands }));
    this.#emit(code, ...operands);
    return undefined;
  }

  /** A block; `f.br(label)` inside leaves it. */
  block(body: (label: Label) => void): void {
    this.#structure('block', [0x02, 0x40], body);
  }

  /** A loop; `f.br(label)` inside starts its next round, falling out of the body ends it. */
  loop(body: (label: Label) => void): void {
    this.#structure('loop', [0x03, 0x40], body);
  }

  br(label: Label): void {
    this.#emit([0x0c, ...this.#depth(label)]);
  }

  brIf(label: Label, condition: Operand<'i32'>): void {
    this.#emit([0x0d, ...this.#depth(label)], toI32(condition));
  }

  if(condition: Operand<'i32'>, then: () => void, otherwise?: () => void): void {
    this.#emit([], toI32(condition));
    this.#structure('block', [0x04, 0x40], () => {
      then();
      if (otherwise) {
        this.#code.push(0x05);
        otherwise();
      }
    });
  }

  /**
   * `for (i = from; i < to; i += step)`, tested at the bottom, signed; with a negative constant step `i > to`. Bounds that are constants
   * cost no test before the first round. `to` and `step` are read once, before the loop, unless they are locals.
   */
  for(i: Local<'i32'>, from: Operand<'i32'>, to: Operand<'i32'>, step: Operand<'i32'>, body: () => void): void {
    const start = toI32(from);
    const bound = this.#fixed(toI32(to));
    const stride = this.#fixed(toI32(step));
    if (stride.constant === 0) throw new EncodeError('f.for with step 0 never ends');
    const down = stride.constant !== undefined && stride.constant < 0;
    const more = (value: I32): I32 => (down ? this.i32.gtS(value, bound) : this.i32.ltS(value, bound));
    const round = (): void =>
      this.loop((next) => {
        body();
        this.brIf(next, more(this.tee(i, this.i32.add(i, stride))));
      });
    this.set(i, start);
    if (start.constant === undefined || bound.constant === undefined) this.if(more(i), round);
    else if (down ? start.constant > bound.constant : start.constant < bound.constant) round();
  }

  /** Tests before every round. */
  while(condition: () => Operand<'i32'>, body: () => void): void {
    this.block((end) =>
      this.loop((next) => {
        this.brIf(end, this.i32.eqz(condition()));
        body();
        this.br(next);
      }),
    );
  }

  /**
   * Sets every v128 local declared inside back to zero at the end. Inside a loop that keeps them from becoming loop variables, which costs no
   * instruction and is what V8's revectorizer needs to pack the stores of the body.
   */
  temporaries(body: () => void): void {
    this.#opened.push([]);
    body();
    for (const local of this.#opened.pop() ?? []) this.set(local, zero);
  }

  return(value?: Operand<ValueType>): void {
    const { name, result } = this.#options;
    if ((result === undefined) !== (value === undefined))
      throw new EncodeError(`${name}: return ${result ? `needs a ${result}` : 'takes no value'}`);
    if (result === undefined || value === undefined) this.#emit([0x0f]);
    else this.#emit([0x0f], toType(result, value));
  }

  /** Traps. */
  unreachable(): void {
    this.#emit([0x00]);
  }

  readonly memory = {
    /** Copies `bytes` bytes; the ranges may overlap. */
    copy: (to: Operand<'i32'>, from: Operand<'i32'>, bytes: Operand<'i32'>): void =>
      this.#emit([0xfc, 0x0a, 0, 0], toI32(to), toI32(from), toI32(bytes)),
    /** Writes one byte `bytes` times. */
    fill: (to: Operand<'i32'>, byte: Operand<'i32'>, bytes: Operand<'i32'>): void =>
      this.#emit([0xfc, 0x0b, 0], toI32(to), toI32(byte), toI32(bytes)),
  };

  /** The finished body: its length, locals in runs of one type, code, end. Called by the module. */
  finish(last: Operand<ValueType> | undefined): Uint8Array {
    const { name, result } = this.#options;
    if (last !== undefined && result !== undefined) this.#emit([], toType(result, last));
    const lost = this.#effects.find((value) => !value.consumed);
    if (lost) throw new EncodeError(`${name}: a ${lost.mnemonic} is built but never runs. Use its value, or f.drop it`);
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const run = runs.at(-1);
      if (run?.type === type) run.count++;
      else runs.push({ type, count: 1 });
    }
    const locals = [...unsigned(runs.length), ...runs.flatMap(({ type, count }) => [...unsigned(count), typeCodes[type]])];
    return concatenate([unsigned(locals.length + this.#code.length + 1), locals, this.#code, [0x0b]]);
  }

  #local<T extends ValueType>(type: T, index: number): Local<T> {
    return new Local(type, index, this, [0x20, ...unsigned(index)]);
  }

  #declare<T extends ValueType>(type: T, init: Operand<T> | undefined): Local<T> {
    const value = init === undefined ? undefined : toType(type, init);
    const local = this.#local(type, Object.keys(this.#options.parameters).length + this.#locals.length);
    this.#locals.push(type);
    if (isVector(local)) this.#opened.at(-1)?.push(local);
    if (value) this.set(local, value);
    return local;
  }

  #effect<T extends ValueType>(value: Value<T>): Value<T> {
    this.#effects.push(value);
    return value;
  }

  #fixed(value: I32): I32 {
    return value.leaf ? value : this.let(value);
  }

  #own(local: Local): void {
    if (local.owner !== this) throw new EncodeError(`${this.#options.name}: a local of another function is used`);
  }

  #structure(kind: Label['kind'], open: readonly number[], body: (label: Label) => void): void {
    const label: Label = { kind };
    this.#code.push(...open);
    this.#labels.push(label);
    body(label);
    this.#labels.pop();
    this.#code.push(0x0b);
  }

  #depth(label: Label): number[] {
    const at = this.#labels.lastIndexOf(label);
    if (at < 0) throw new EncodeError(`${this.#options.name}: a branch to a ${label.kind} it is not inside of`);
    return unsigned(this.#labels.length - 1 - at);
  }

  #emit(code: readonly number[], ...operands: readonly Value[]): void {
    for (const operand of operands) {
      operand.consume();
      this.#write(operand);
    }
    this.#code.push(...code);
  }

  #write(value: Value): void {
    if (value instanceof Local) this.#own(value);
    for (const operand of value.operands) this.#write(operand);
    this.#code.push(...value.code);
  }
}

const zero = constV128(Array.from({ length: 16 }, () => 0));

const isVector = (local: Local): local is Local<'v128'> => local.type === 'v128';
