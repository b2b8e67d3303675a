import type { LaunchCount, StepCount, Value } from '@shoal/core';
import type { EmittedStep } from './emit.ts';
import type { Dispatch } from './kernel.ts';
import { bytesOf } from './memory.ts';
import { accessorsOf } from './module.ts';

/** What the dispatches of a step ask of the device, by their text. */
export function countStep({ step, dispatches, accessors }: EmittedStep): StepCount {
  const launches = dispatches
    .filter(({ groups }) => groups > 0)
    .map((dispatch): LaunchCount => {
      const used = accessorsOf(dispatch, accessors);
      const touched = (how: 'reads' | 'writes'): number => sumBytes(new Set(used.flatMap((accessor) => accessor[how])));
      return {
        workgroups: dispatch.groups,
        threads: dispatch.size,
        workgroupBytes: workgroupBytes(dispatch),
        accumulators: dispatch.product?.accumulators ?? 0,
        multiplyAccumulates: dispatch.product?.multiplyAccumulates ?? 0,
        bytes: touched('reads') + touched('writes'),
      };
    });
  return { step, launches };
}

const sumBytes = (values: Iterable<Value>): number => [...values].reduce((sum, value) => sum + bytesOf(value), 0);

/** Bytes of the workgroup variables that a dispatch declares. */
export function workgroupBytes({ declarations = '' }: Pick<Dispatch, 'declarations'>): number {
  const structs = new Map([...declarations.matchAll(/struct\s+(\w+)\s*\{([^}]*)\}/g)].map(([, name, members]) => [name!, members!]));
  return [...declarations.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)].reduce(
    (sum, [, type]) => sum + layoutOf(type!, structs).bytes,
    0,
  );
}

interface Layout {
  readonly bytes: number;
  readonly alignment: number;
}

const scalarBytes: Readonly<Record<string, number>> = { f16: 2, f32: 4, i32: 4, u32: 4, bool: 4 };

const aligned = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment;

/** Of scalars, of vectors, and of arrays and structures of those, as WGSL lays them out (section 14.4.1 of its specification). */
function layoutOf(type: string, structs: ReadonlyMap<string, string>): Layout {
  const text = type.trim();
  const array = /^array\s*<(.*),\s*(\d+)\s*>$/s.exec(text);
  if (array) {
    const { bytes, alignment } = layoutOf(array[1]!, structs);
    return { bytes: aligned(bytes, alignment) * Number(array[2]), alignment };
  }
  const vector = /^vec([234])\s*<(\w+)>$/.exec(text);
  if (vector) {
    const [scalar, count] = [scalarBytes[vector[2]!]!, Number(vector[1])];
    return { bytes: scalar * count, alignment: scalar * (count === 2 ? 2 : 4) };
  }
  const members = structs.get(text);
  if (members === undefined) return { bytes: scalarBytes[text]!, alignment: scalarBytes[text]! };
  const layouts = [...members.matchAll(/\w+\s*:\s*(\w+(?:\s*<[^>]*>)?)/g)].map(([, member]) => layoutOf(member!, structs));
  const end = layouts.reduce((at, { bytes, alignment }) => aligned(at, alignment) + bytes, 0);
  const alignment = Math.max(...layouts.map((layout) => layout.alignment));
  return { bytes: aligned(end, alignment), alignment };
}
