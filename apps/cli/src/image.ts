import { readFile } from 'node:fs/promises';
import { createRuntime, input } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { adaptiveAveragePool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { convertIndexedToRgb, decode as decodePng, encode as encodePng, hasPngSignature, type DecodedPng } from 'fast-png';
import { decode as decodeJpeg } from 'jpeg-js';
import { messageOf, UsageError } from './output.ts';

/** A photograph as a network sees it: NHWC with one image, red, green and blue in [0, 1]. */
export interface Photograph {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Reads a PNG or JPEG file, crops its middle square and scales it to `size` x `size` by averaging areas. */
export async function readPhotograph(path: string, size: number): Promise<Photograph> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError(`cannot read image ${path}: ${messageOf(cause)}`);
  });
  const square = middleSquare(decoded(path, bytes));
  return { name: path.split(/[\\/]/).at(-1)!, height: size, width: size, data: await scaled(square, size) };
}

/** A PNG of an NHWC image in [0, 1], as a URL that holds it whole. */
export function toDataUrl(values: ArrayLike<number>, height: number, width: number): string {
  const data = Uint8Array.from(values, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));
  return `data:image/png;base64,${Buffer.from(encodePng({ width, height, data, channels: 3, depth: 8 })).toString('base64')}`;
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Numbers per pixel: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. */
  readonly channels: number;
  /** The value of white. */
  readonly white: number;
  readonly data: ArrayLike<number>;
}

function decoded(path: string, bytes: Uint8Array): Pixels {
  try {
    if (!hasPngSignature(bytes))
      return { ...decodeJpeg(bytes, { useTArray: true, formatAsRGBA: false, tolerantDecoding: false }), channels: 3, white: 255 };
    const png = decodePng(bytes, { checkCrc: true });
    if (png.palette)
      return { width: png.width, height: png.height, channels: png.palette[0]!.length, white: 255, data: convertIndexedToRgb(png) };
    if (png.width === 0 || png.height === 0) throw new Error('it has no pixels');
    const data = png.depth < 8 ? unpacked(png) : png.data;
    return { width: png.width, height: png.height, channels: png.channels, white: 2 ** png.depth - 1, data };
  } catch (cause) {
    throw new UsageError(`cannot read image ${path}: ${messageOf(cause)}. Give a whole PNG or JPEG file`);
  }
}

/** The greys of a picture that has several in a byte, the leftmost in the highest bits; each row starts a byte. */
function unpacked({ width, height, depth, data }: DecodedPng): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * rowBytes + (bit >> 3)]!;
    return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  });
}

interface Square {
  readonly side: number;
  readonly data: Float32Array;
}

function middleSquare({ width, height, channels, white, data }: Pixels): Square {
  const side = Math.min(width, height);
  const [top, left] = [Math.floor((height - side) / 2), Math.floor((width - side) / 2)];
  const colours = channels < 3 ? [0, 0, 0] : [0, 1, 2];
  const square = new Float32Array(side * side * 3);
  for (let row = 0, i = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const pixel = ((top + row) * width + left + column) * channels;
      for (const colour of colours) square[i++] = data[pixel + colour]! / white;
    }
  }
  return { side, data: square };
}

async function scaled({ side, data }: Square, size: number): Promise<Float32Array> {
  const runtime = await createRuntime(reference(), [poolReference]);
  const x = input('x', [1, side, side, 3]);
  const executable = await runtime.compile({ outputs: { y: adaptiveAveragePool2d(x, { output: size }) } });
  const { y } = await executable.run({ x: data });
  await runtime.dispose();
  return Float32Array.from(y!);
}
