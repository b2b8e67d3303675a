import type { Value } from '@shoal/core';
import { elementsOf, type Accessor, type EmittedLaunch } from './emit.ts';
import type { Address } from './machine.ts';
import { named, type KernelSource, type Parameter } from './source.ts';
import { printTables } from './tables.ts';
import { withoutMarks } from './text.ts';

/** A kernel and what it is launched with. */
export interface Assembled {
  readonly kernel: KernelSource;
  readonly blocks: number;
  readonly arguments: readonly Address[];
  /** Of a generic kernel: the words that its last argument is to lead to. */
  readonly words?: readonly number[];
}

/** Those that a launch calls. */
export const calledIn = (body: string, accessors: readonly Accessor[]): readonly Accessor[] =>
  accessors.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(body));

/**
 * Adds to a launch the functions it uses and the pointers behind them. Live tensors never overlap, and a tensor updated in place has
 * the pointer of the variable, so each pointer may promise that no other one leads to what it leads to.
 */
export function assemble({ op, launch, accessors }: EmittedLaunch, placeOf: (value: Value) => Address): Assembled {
  const { body, declarations = '', tables = [], threads, blocks, resident } = launch;
  const used = calledIn(body, accessors);
  const written = new Set(used.flatMap(({ writes }) => writes.map(placeOf)));
  const pointers = new Map<Address, Parameter>();
  for (const value of used.flatMap(({ reads, writes }) => [...reads, ...writes])) {
    const address = placeOf(value);
    pointers.set(address, { dtype: value.dtype, written: written.has(address), aliased: false });
  }
  const addresses = [...pointers.keys()];
  const elements = elementsOf((value) => `t${addresses.indexOf(placeOf(value))}`);
  const functions = used.map((accessor) => accessor.print(elements)).join('');
  const printed = printTables(tables);
  const kernel = named(op, {
    threads,
    ...(resident === undefined ? {} : { resident }),
    parameters: [...pointers.values()],
    declarations: printed.declarations + declarations,
    body: withoutMarks(printed.statements + functions + body),
  });
  return { kernel, blocks, arguments: addresses };
}
