import type { MemoryPlan, Value } from '@shoal/core';

/**
 * Bytes of the largest scratch in a plan of the WASM backend. Scratch is the room in which a kernel works, such as the transformed tiles of
 * a Winograd convolution: its size depends on channels and threads and not on the map, so that it counts beside small maps only.
 */
export function largestScratch({ placements }: MemoryPlan): number {
  const isScratch = ({ origin }: Value): boolean => origin.kind === 'input' && origin.name === 'scratch';
  return Math.max(0, ...[...placements.values()].map(({ value, bytes }) => (isScratch(value) ? bytes : 0)));
}
