import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const folder = join(import.meta.dirname, '../../fixtures/fashion-mnist');

export const SIDE = 28;
export const CLASSES = 10;

export interface Images {
  readonly count: number;
  /** Grey values in [0, 1], [count, 28, 28, 1]. */
  readonly pixels: Float32Array;
  /** Classes, [count]. */
  readonly labels: Int32Array;
}

/** The bytes behind the header of an IDX file: two zero bytes, the element type (8: unsigned bytes), the number of axes, the sizes. */
function idx(name: string): Uint8Array {
  const file = gunzipSync(readFileSync(join(folder, `${name}-ubyte.gz`)));
  const axes = file.readUInt8(3);
  const sizes = Array.from({ length: axes }, (_, axis) => file.readUInt32BE(4 + 4 * axis));
  const data = file.subarray(4 + 4 * axes);
  if (file.readUInt16BE(0) !== 0 || file.readUInt8(2) !== 8 || data.length !== sizes.reduce((a, b) => a * b, 1)) {
    throw new Error(`${name} is no IDX file of bytes.`);
  }
  return data;
}

/** Reads parts of the subset of Fashion-MNIST that is kept with the tests. */
export function fashionMnist(...parts: readonly ('train-0' | 'train-1' | 'held-out')[]): Images {
  const labels = Int32Array.from(parts.flatMap((part) => [...idx(`${part}-labels-idx1`)]));
  const pixels = new Float32Array(labels.length * SIDE * SIDE);
  let at = 0;
  for (const part of parts) {
    for (const byte of idx(`${part}-images-idx3`)) pixels[at++] = byte / 255;
  }
  return { count: labels.length, pixels, labels };
}
