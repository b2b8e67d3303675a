import { input, ShapeError, type Value } from '@shoal/core';
import type { Network } from '@shoal/residual';

export interface ImageOptions {
  /** Height and width of the image; default the network's own. */
  readonly input?: readonly [height: number, width: number];
  /** Images at once; default 1. */
  readonly batch?: number;
}

/** The input `image` of a network's program. @throws ShapeError for sizes that are no positive integers */
export function imageFor(op: string, { input: [height, width, channels] }: Network, options: ImageOptions): Value {
  const { input: [h, w] = [height, width], batch = 1 } = options;
  for (const [name, size] of Object.entries({ height: h, width: w, batch })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ShapeError({ op, fact: `${name} ${size} is not a positive integer`, next: `Give a ${name} of at least 1` });
    }
  }
  return input('image', [batch, h, w, channels]);
}
