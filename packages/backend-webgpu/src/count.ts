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
  return [...declarations.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)].reduce((sum, [, type]) => sum + sizeOfType(type!), 0);
}

const scalarBytes: Readonly<Record<string, number>> = { f16: 2, f32: 4, i32: 4, u32: 4, bool: 4 };

/** Of scalars, of vectors, and of arrays of those, as WGSL lays them out. */
function sizeOfType(type: string): number {
  const text = type.trim();
  const array = /^array\s*<(.*),\s*(\d+)\s*>$/s.exec(text);
  if (array) return sizeOfType(array[1]!) * Number(array[2]);
  const vector = /^vec([234])\s*<(\w+)>$/.exec(text);
  // Three take the room of four.
  if (vector) return sizeOfType(vector[2]!) * (vector[1] === '3' ? 4 : Number(vector[1]));
  return scalarBytes[text]!;
}
