import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { encode, type ImageData } from 'fast-png';
import { encode as encodeJpeg } from 'jpeg-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPhotograph } from './image.ts';
import { UsageError } from './output.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-image-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The red of each pixel, scaled to 4x4. */
async function reds(bytes: Uint8Array): Promise<readonly number[]> {
  const path = join(folder, 'image');
  await writeFile(path, bytes);
  const { data } = await readPhotograph(path, 4);
  return [...data].filter((_, i) => i % 3 === 0);
}

const cells = Array.from({ length: 16 }, (_, i) => i);

test.each<[string, ImageData, readonly number[]]>([
  [
    '1 bit of grey',
    { width: 4, height: 4, depth: 1, channels: 1, data: Uint8Array.of(0x90, 0x60, 0xf0, 0) },
    [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0],
  ],
  [
    '2 bits of grey',
    { width: 4, height: 4, depth: 2, channels: 1, data: Uint8Array.of(0x1b, 0x1b, 0x1b, 0x1b) },
    cells.map((i) => (i % 4) / 3),
  ],
  [
    '4 bits of grey',
    { width: 4, height: 4, depth: 4, channels: 1, data: Uint8Array.of(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef) },
    cells.map((i) => i / 15),
  ],
  [
    '8 bits of grey and alpha',
    { width: 4, height: 4, channels: 2, data: Uint8Array.from(cells.flatMap((i) => [i, 99])) },
    cells.map((i) => i / 255),
  ],
  [
    '16 bits of colour',
    { width: 4, height: 4, depth: 16, channels: 3, data: Uint16Array.from(cells.flatMap((i) => [4000 * i, 1, 2])) },
    cells.map((i) => (4000 * i) / 65535),
  ],
  [
    'colour and alpha',
    { width: 4, height: 4, channels: 4, data: Uint8Array.from(cells.flatMap((i) => [10 * i, 1, 2, 255])) },
    cells.map((i) => (10 * i) / 255),
  ],
  [
    'the middle of a wide one',
    { width: 6, height: 4, channels: 1, data: Uint8Array.from({ length: 24 }, (_, i) => i) },
    cells.map((i) => (1 + (i % 4) + 6 * Math.floor(i / 4)) / 255),
  ],
])('a PNG of %s', async (_, image, expected) => {
  const found = await reds(encode(image));
  expect(found.map((value, i) => Math.abs(value - expected[i]!)).filter((error) => !(error < 1e-6))).toEqual([]);
});

test('a JPEG', async () => {
  const data = Buffer.from(Array.from({ length: 64 }, () => [200, 30, 60, 255]).flat());
  const { data: bytes } = encodeJpeg({ width: 8, height: 8, data }, 95);
  for (const red of await reds(bytes)) expect(red).toBeCloseTo(200 / 255, 1);
});

test('a PNG without pixels is refused', async () => {
  const bytes = Buffer.from(encode({ width: 1, height: 1, channels: 1, data: Uint8Array.of(7) }));
  // The header chunk: its name at 12, the height at 20, its checksum at 29.
  bytes.writeUInt32BE(0, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  await expect(reds(bytes)).rejects.toThrow(
    new UsageError(`cannot read image ${join(folder, 'image')}: it has no pixels. Give a whole PNG or JPEG file`),
  );
});
