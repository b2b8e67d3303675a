import { sizeOf, type Value } from '@shoal/core';
import type { Accessor } from './emit.ts';
import type { Launch } from './kernel.ts';
import type { Address } from './machine.ts';
import { named, type KernelSource, type Parameter } from './source.ts';

/** A kernel and what it is launched with. */
export interface Assembled {
  readonly kernel: KernelSource;
  readonly blocks: number;
  readonly arguments: readonly Address[];
}

/**
 * Adds to a launch the functions it uses and the pointers behind them. Live tensors never overlap, and a tensor updated in place has
 * the pointer of the variable, so each pointer may promise that no other one leads to what it leads to.
 */
export function assemble(op: string, launch: Launch, accessors: readonly Accessor[], placeOf: (value: Value) => Address): Assembled {
  const { body, declarations = '', threads, blocks } = launch;
  const used = accessors.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(body));
  const written = new Set(used.flatMap(({ writes }) => writes.map(placeOf)));
  const pointers = new Map<Address, Parameter>();
  for (const value of used.flatMap(({ reads, writes }) => [...reads, ...writes])) {
    const address = placeOf(value);
    pointers.set(address, { dtype: value.dtype, written: written.has(address) });
  }
  const addresses = [...pointers.keys()];
  const at = (value: Value, index: string): string => `SHOAL_AT(t${addresses.indexOf(placeOf(value))}, ${sizeOf(value.shape)}, ${index})`;
  const functions = used.map((accessor) => accessor.print({ at })).join('');
  const kernel = named(op, { threads, parameters: [...pointers.values()], declarations, body: functions + body });
  return { kernel, blocks, arguments: addresses };
}
