import { readFile, writeFile } from 'node:fs/promises';
import { parseWork, type Extent, type WorkHeader } from './file-format.ts';
import type { PortableWork } from './graph.ts';

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
  const { buffer, byteOffset, byteLength } = await readFile(`${path}.bin`);
  return parseWork(await readFile(`${path}.json`, 'utf8'), buffer.slice(byteOffset, byteOffset + byteLength));
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
