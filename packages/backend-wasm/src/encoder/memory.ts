import { unsigned } from './bytes.ts';
import { EncodeError, toI32, Value } from './values.ts';
import type { I32, Lift, Operand, ValueType } from './values.ts';

/** Takes a finished piece of code into the function's body. */
export type Emit = (code: readonly number[], ...operands: readonly Value[]) => void;

/** Registers a value that runs for more than its result: dropping it silently is an error. */
export type Effect = <T extends ValueType>(value: Value<T>) => Value<T>;

/** Immediates of a memory access: log2 of the alignment (bytes, a hint), then the offset. */
export function memoryArgument(offset: number, align: number): number[] {
  const log = Math.log2(align);
  if (!Number.isInteger(log) || log < 0) throw new EncodeError(`alignment ${align} is no power of two`);
  if (!Number.isInteger(offset) || offset < 0 || offset >= 2 ** 32) throw new EncodeError(`offset ${offset} is no unsigned 32-bit integer`);
  return [...unsigned(log), ...unsigned(offset)];
}

/**
 * Makes a load: `load(address, offset, align)`. The offset is an immediate, free on every engine, and at least 0; the alignment is a hint that
 * changes no result.
 */
export function load<R extends ValueType>(mnemonic: string, type: R, code: readonly number[], natural: number) {
  return (address: Operand<'i32'>, offset = 0, align: number = natural): Value<R> =>
    new Value({ type, mnemonic, code: [...code, ...memoryArgument(offset, align)], operands: [toI32(address)] });
}

/** Makes a store: `store(address, value, offset, align)`, a statement. */
export function store<V extends ValueType>(emit: Emit, lifted: Lift<V>, code: readonly number[], natural: number) {
  return (address: Operand<'i32'>, value: Operand<V>, offset = 0, align: number = natural): void =>
    emit([...code, ...memoryArgument(offset, align)], toI32(address), lifted(value));
}

/**
 * Atomic accesses to 32-bit words, sequentially consistent. Addresses (with their offset) must be multiples of 4, or the access traps.
 * Modules that contain them need an engine with the threads proposal; `wait32` traps on a memory that is not shared.
 */
export function atomicInstructions(emit: Emit, effect: Effect) {
  const word = (offset: number): number[] => memoryArgument(offset, 4);
  const update =
    (mnemonic: string, code: number) =>
    (address: Operand<'i32'>, value: Operand<'i32'>, offset = 0): I32 =>
      effect(new Value({ type: 'i32', mnemonic, code: [0xfe, code, ...word(offset)], operands: [toI32(address), toI32(value)] }));
  return {
    load: (address: Operand<'i32'>, offset = 0): I32 =>
      new Value({ type: 'i32', mnemonic: 'i32.atomic.load', code: [0xfe, 0x10, ...word(offset)], operands: [toI32(address)] }),
    store: (address: Operand<'i32'>, value: Operand<'i32'>, offset = 0): void =>
      emit([0xfe, 0x17, ...word(offset)], toI32(address), toI32(value)),
    /** Updates give the old value; drop it with `f.drop` when it is not needed. */
    add: update('i32.atomic.rmw.add', 0x1e),
    sub: update('i32.atomic.rmw.sub', 0x25),
    /** Sleeps while the word is `expected`: 0 woken, 1 it was something else, 2 the time (nanoseconds, negative: no limit) is over. */
    wait32: (address: Operand<'i32'>, expected: Operand<'i32'>, timeout: Value<'i64'>, offset = 0): I32 =>
      effect(
        new Value({
          type: 'i32',
          mnemonic: 'memory.atomic.wait32',
          code: [0xfe, 0x01, ...word(offset)],
          operands: [toI32(address), toI32(expected), timeout],
        }),
      ),
    /** Wakes at most `count` sleepers of the word; gives how many. */
    notify: (address: Operand<'i32'>, count: Operand<'i32'>, offset = 0): I32 =>
      effect(
        new Value({
          type: 'i32',
          mnemonic: 'memory.atomic.notify',
          code: [0xfe, 0x00, ...word(offset)],
          operands: [toI32(address), toI32(count)],
        }),
      ),
  };
}
