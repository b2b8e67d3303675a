import type { Width } from '@shoal/backend-webgpu';
import type { Shape } from '@shoal/core';

/** How many channels a thread takes, and the threads that it then takes, as a shape `[n, h, w, c / lanes]`. */
export function lanesOf(shape: Shape): { readonly lanes: Width; readonly shape: Shape } {
  const channels = shape.at(-1)!;
  const lanes = channels % 4 === 0 ? 4 : 1;
  return { lanes, shape: [...shape.slice(0, -1), channels / lanes] };
}
