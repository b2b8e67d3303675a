import koffi from 'koffi';
import type { Address } from './machine.ts';

/** Arguments as `cuLaunchKernel` takes them: an array of pointers, each to the place of one argument. */
export interface PackedArguments {
  readonly pointers: BigUint64Array;
  /** What they point to, which must live as long as they do. */
  readonly values: BigUint64Array;
}

export function packArguments(addresses: readonly Address[]): PackedArguments {
  const values = BigUint64Array.from(addresses);
  const start = values.length > 0 ? koffi.address(values) : 0n;
  return { values, pointers: values.map((_, i) => start + BigInt(8 * i)) };
}
