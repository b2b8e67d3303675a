/**
 * Cuts the subset of Fashion-MNIST that `tests/fixtures/fashion-mnist` holds: `node tools/fashion-mnist.ts FOLDER`, the folder having the
 * four published IDX files (Debian: package `dataset-fashion-mnist`, folder `/usr/share/datasets/fashion-mnist`).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const source = process.argv[2];
if (source === undefined) throw new Error('fashion-mnist: no folder was given. Usage: node tools/fashion-mnist.ts FOLDER.');

const target = join(import.meta.dirname, '../tests/fixtures/fashion-mnist');

/** Images of 2,000 make files below 1 MiB. */
const parts = [
  { name: 'train-0', from: 'train', start: 0, count: 2000 },
  { name: 'train-1', from: 'train', start: 2000, count: 2000 },
  { name: 'held-out', from: 't10k', start: 0, count: 2000 },
];

mkdirSync(target, { recursive: true });
for (const { name, from, start, count } of parts) {
  for (const kind of ['images-idx3', 'labels-idx1']) {
    const file = gunzipSync(readFileSync(join(source, `${from}-${kind}-ubyte.gz`)));
    // IDX: two zero bytes, the element type, the number of axes, then each size as a big-endian 32-bit number.
    const axes = file.readUInt8(3);
    const header = Buffer.from(file.subarray(0, 4 + 4 * axes));
    const record = Array.from({ length: axes - 1 }, (_, axis) => file.readUInt32BE(8 + 4 * axis)).reduce((a, b) => a * b, 1);
    header.writeUInt32BE(count, 4);
    const data = file.subarray(header.length + start * record, header.length + (start + count) * record);
    const packed = gzipSync(Buffer.concat([header, data]), { level: 9 });
    writeFileSync(join(target, `${name}-${kind}-ubyte.gz`), packed);
    console.log(`${name}-${kind}-ubyte.gz  ${packed.length} bytes`);
  }
}
