import { readFile, writeFile } from 'node:fs/promises';
import type { PortableWork } from './graph.ts';

/** Where a tensor lies in the data file: `length` numbers of four bytes from byte `offset` on. */
export interface Extent {
  readonly name: string;
  readonly dtype: 'f32' | 'i32';
  readonly offset: number;
  readonly length: number;
}

/** What `NAME.json` holds; the numbers are in `NAME.bin`, little-endian. */
export interface WorkHeader extends Omit<PortableWork, 'data'> {
  readonly extents: readonly Extent[];
}

/** Writes `path.json` and `path.bin`. */
export async function writeWork(path: string, { graph, task, data }: PortableWork): Promise<void> {
  const extents: Extent[] = [];
  const bytes: Uint8Array[] = [];
  let offset = 0;
  for (const [name, numbers] of data) {
    extents.push({ name, dtype: numbers instanceof Int32Array ? 'i32' : 'f32', offset, length: numbers.length });
    bytes.push(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    offset += numbers.byteLength;
  }
  const header: WorkHeader = { graph, task, extents };
  await writeFile(`${path}.bin`, Buffer.concat(bytes));
  await writeFile(`${path}.json`, JSON.stringify(header));
}

export async function readWork(path: string): Promise<PortableWork> {
  const { graph, task, extents } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as WorkHeader;
  const { buffer, byteOffset, byteLength } = await readFile(`${path}.bin`);
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const data = new Map(
    extents.map(({ name, dtype, offset, length }) => [
      name,
      dtype === 'i32' ? new Int32Array(bytes, offset, length) : new Float32Array(bytes, offset, length),
    ]),
  );
  return { graph, task, data };
}

/** Several arrays in one file, one after another: how an engine hands its results over. */
export async function writeArrays(path: string, arrays: readonly Float32Array[]): Promise<readonly number[]> {
  await writeFile(path, Buffer.concat(arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))));
  return arrays.map(({ length }) => length);
}

export async function readArrays(path: string, lengths: readonly number[]): Promise<readonly Float32Array[]> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  let offset = 0;
  return lengths.map((length) => {
    const array = new Float32Array(bytes, offset, length);
    offset += 4 * length;
    return array;
  });
}
