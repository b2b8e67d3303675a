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

/** A work from the contents of its two files, in Node and in pages. */
export function parseWork(header: string, bytes: ArrayBuffer): PortableWork {
  const { graph, task, extents } = JSON.parse(header) as WorkHeader;
  const data = new Map(
    extents.map(({ name, dtype, offset, length }) => [
      name,
      dtype === 'i32' ? new Int32Array(bytes, offset, length) : new Float32Array(bytes, offset, length),
    ]),
  );
  return { graph, task, data };
}
