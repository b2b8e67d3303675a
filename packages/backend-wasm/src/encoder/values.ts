import { float32, float64, signed } from './bytes.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** A mistake in a kernel's source: a value used twice, a branch out of a closed block, a name given twice. */
export class EncodeError extends Error {
  constructor(message: string) {
    super(`encoder: ${message}`);
    this.name = 'EncodeError';
  }
}

export interface Node<T extends ValueType> {
  readonly type: T;
  /** The mnemonic, for messages. */
  readonly mnemonic: string;
  /** Opcode and immediates, written after the operands. */
  readonly code: readonly number[];
  readonly operands?: readonly Value[];
  /** Costs nothing to write again: a constant or a local. */
  readonly leaf?: boolean;
  /** The number of a scalar constant. */
  readonly constant?: number;
}

/**
 * Code that leaves one value on the operand stack. It runs where it is consumed (by a statement, or by another value that is), not where it
 * is built, and it is consumed at most once: a value that is needed twice goes into a local (`f.let(value)`). Constants and locals are free.
 */
export class Value<T extends ValueType = ValueType> {
  readonly type: T;
  readonly mnemonic: string;
  readonly code: readonly number[];
  readonly operands: readonly Value[];
  readonly leaf: boolean;
  readonly constant: number | undefined;
  #consumed = false;

  constructor({ type, mnemonic, code, operands = [], leaf = false, constant }: Node<T>) {
    this.type = type;
    this.mnemonic = mnemonic;
    this.code = code;
    this.operands = operands;
    this.leaf = leaf;
    this.constant = constant;
    for (const operand of operands) operand.consume();
  }

  get consumed(): boolean {
    return this.#consumed;
  }

  consume(): void {
    if (this.leaf) return;
    if (this.#consumed) throw new EncodeError(`a value of ${this.mnemonic} is used twice. Bind it to a local with f.let(value) first`);
    this.#consumed = true;
  }
}

/** A variable of a function: a parameter or a declared local. Usable as a value anywhere; reads what it holds where the code runs. */
export class Local<T extends ValueType = ValueType> extends Value<T> {
  readonly index: number;
  /** The function it belongs to. */
  readonly owner: object;

  constructor(type: T, index: number, owner: object, get: readonly number[]) {
    super({ type, mnemonic: 'local.get', code: get, leaf: true });
    this.index = index;
    this.owner = owner;
  }
}

export type I32 = Value<'i32'>;
export type I64 = Value<'i64'>;
export type F32 = Value<'f32'>;
export type F64 = Value<'f64'>;
export type V128 = Value<'v128'>;

/** Where a value of type T is expected a number does as well: it becomes a constant. */
export type Operand<T extends ValueType> = Value<T> | number;

/** Turns a number into a constant and lets a value pass, after checking its type. */
export type Lift<T extends ValueType> = (operand: Operand<T>) => Value<T>;

function lift<T extends ValueType>(type: T, constant: (value: number) => Value<T>): Lift<T> {
  return (operand) => {
    if (typeof operand === 'number') return constant(operand);
    if (operand.type !== type) throw new EncodeError(`expected ${type}, got ${operand.type} from ${operand.mnemonic}`);
    return operand;
  };
}

/** An i32 constant; unsigned words (0 to 2^32 - 1) are welcome. */
export function constI32(value: number): I32 {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) throw new EncodeError(`${value} is no 32-bit integer`);
  const word = value | 0;
  return new Value({ type: 'i32', mnemonic: 'i32.const', code: [0x41, ...signed(word)], leaf: true, constant: word });
}

export function constI64(value: number | bigint): I64 {
  const word = BigInt.asIntN(64, BigInt(value));
  return new Value({ type: 'i64', mnemonic: 'i64.const', code: [0x42, ...signed(word)], leaf: true });
}

export function constF32(value: number): F32 {
  return new Value({ type: 'f32', mnemonic: 'f32.const', code: [0x43, ...float32(value)], leaf: true, constant: Math.fround(value) });
}

export function constF64(value: number): F64 {
  return new Value({ type: 'f64', mnemonic: 'f64.const', code: [0x44, ...float64(value)], leaf: true, constant: value });
}

/** A v128 constant of 16 bytes. */
export function constV128(bytes: readonly number[]): V128 {
  if (bytes.length !== 16) throw new EncodeError(`a v128 constant has 16 bytes, got ${bytes.length}`);
  return new Value({ type: 'v128', mnemonic: 'v128.const', code: [0xfd, 0x0c, ...bytes], leaf: true });
}

/** A v128 constant from numbers of any width. */
export const constLanes = (lanes: Float32Array | Float64Array | Int32Array | BigInt64Array | Int16Array | Int8Array): V128 =>
  constV128([...new Uint8Array(lanes.buffer)]);

export const toI32: Lift<'i32'> = lift('i32', constI32);
export const toI64: Lift<'i64'> = lift('i64', constI64);
export const toF32: Lift<'f32'> = lift('f32', constF32);
export const toF64: Lift<'f64'> = lift('f64', constF64);
/** A number becomes the constant with that number in every lane. */
export const toF32x4: Lift<'v128'> = lift('v128', (value) => constLanes(new Float32Array(4).fill(value)));
export const toF64x2: Lift<'v128'> = lift('v128', (value) => constLanes(new Float64Array(2).fill(value)));
export const toI32x4: Lift<'v128'> = lift('v128', (value) => constLanes(new Int32Array(4).fill(constI32(value).constant!)));
export const toI64x2: Lift<'v128'> = lift('v128', (value) => constLanes(new BigInt64Array(2).fill(BigInt(value))));
export const toI16x8: Lift<'v128'> = lift('v128', (value) => constLanes(new Int16Array(8).fill(value)));
export const toI8x16: Lift<'v128'> = lift('v128', (value) => constLanes(new Int8Array(16).fill(value)));

/** Makes instructions of one value, such as `f32.sqrt`. */
export function unary<A extends ValueType, R extends ValueType>(mnemonic: string, lifted: Lift<A>, type: R, code: readonly number[]) {
  return (a: Operand<A>): Value<R> => new Value({ type, mnemonic, code, operands: [lifted(a)] });
}

/** Makes instructions of two values of one type, such as `f32.add` and `f32.lt`. */
export function binary<A extends ValueType, R extends ValueType>(mnemonic: string, lifted: Lift<A>, type: R, code: readonly number[]) {
  return (a: Operand<A>, b: Operand<A>): Value<R> => new Value({ type, mnemonic, code, operands: [lifted(a), lifted(b)] });
}

/** Instructions of one form by name, from their opcodes. Names are WebAssembly's in camelCase. */
export const each = <T extends Readonly<Record<string, number>>, I>(
  make: (mnemonic: string, opcode: number) => I,
  opcodes: T,
): { readonly [Name in keyof T]: I } =>
  Object.fromEntries(
    Object.entries(opcodes).map(([name, opcode]) => [
      name,
      make(
        name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        opcode,
      ),
    ]),
  ) as { readonly [Name in keyof T]: I };

/** What all functions share, and what is one function's own: there are hundreds of functions in a program. */
export const extended = <Shared extends object, Own extends object>(shared: Shared, own: Own): Shared & Own =>
  Object.assign(Object.create(shared) as Shared, own);
