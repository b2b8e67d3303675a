import { Variable, type Schedule, type Value } from '@shoal/core';

/** How f32 tensors between steps lie in memory. */
export type Storage = 'f32' | 'f16';

/**
 * The tensors of a program that lie as half floats: what its steps hand to each other, constants, and what steps read of the
 * prelude. Not its inputs and outputs, nor variables; nor scalars and vectors (biases, statistics, losses), which take no room. A
 * program with updates has none: gradients underflow in half floats.
 */
export function halvesOf({ updates, outputs, prelude, steps, stored }: Schedule, storage: Storage): (value: Value) => boolean {
  if (storage === 'f32' || updates.length > 0) return () => false;
  const whole = new Set(outputs.map(([, value]) => stored(value)));
  const read = new Set(steps.flatMap(({ reads }) => reads));
  for (const value of prelude.flatMap((step) => step.outputs)) if (value && !read.has(value)) whole.add(value);
  return (value) =>
    value.dtype === 'f32' && value.shape.length > 1 && value.origin.kind !== 'input' && !(value instanceof Variable) && !whole.has(value);
}

/** Bits of the nearest half float, of two the even one; from halfway between the largest and the next power of two on, of infinity. */
export function halfBits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const units = size / 2 ** (exponent - 10);
  const below = Math.floor(units);
  const rest = units - below;
  const rounded = below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
  // A normal number's 1024 units are the 1 of its exponent, and a carry is the next exponent.
  return sign | (rounded + (exponent + 14) * 1024);
}
