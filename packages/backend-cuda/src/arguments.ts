import koffi from 'koffi';
import type { Address } from './machine.ts';

/**
 * Arguments as `cuLaunchKernel` takes them: an array of pointers, each to the place of one argument. The arguments stand behind the
 * pointers in the same array, so they live as long as it does.
 */
export function packArguments(addresses: readonly Address[]): BigUint64Array {
  const count = addresses.length;
  const packed = new BigUint64Array(2 * count);
  if (count === 0) return packed;
  packed.set(addresses, count);
  const start = koffi.address(packed);
  for (let i = 0; i < count; i++) packed[i] = start + BigInt(8 * (count + i));
  return packed;
}
