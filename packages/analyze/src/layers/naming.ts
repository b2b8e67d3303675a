import type { Node, Value } from '@shoal/core';
import type { Tap } from '@shoal/residual';
import { between } from './groups.ts';

export interface Unnamed {
  /** The layer's own name, where it has one. */
  readonly name: string | null;
  /** What it is called within its block otherwise. */
  readonly word: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
}

export interface Named {
  readonly name: string;
  readonly stage: string;
}

const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));
const isWithin = (name: string, part: string): boolean => part === '' || name === part || name.startsWith(`${part}.`);

/**
 * Names layers one after the other, in an order in which they can run. A layer without a name of its own is called by the part of the
 * network that it is in and what it is; `#2` and so on where that repeats.
 */
export function createNaming(taps: readonly Tap[], depends: (value: Value) => boolean): (layer: Unnamed) => Named {
  // An identity has no layers: the value is what another part made.
  const real = taps.filter(({ value, inputs = [] }) => depends(value) && !inputs.includes(value));
  const parts = real.filter(({ name, kind }) => kind === 'block' || (!kind && taps.some((tap) => tap.name.startsWith(`${name}.`))));
  const partNames = new Set(parts.map(({ name }) => name));
  const partsMaking = new Map<Value, Tap[]>();
  for (const part of parts) partsMaking.set(part.value, [...(partsMaking.get(part.value) ?? []), part]);
  const points = new Map(real.filter(({ name, kind }) => !kind && !partNames.has(name)).toReversed().map(({ name, value }) => [value, name])); // prettier-ignore
  const blocks = innermostBlocks(parts, depends);
  const named = new Map<Value, string>();
  const used = new Map<string, number>();

  /** The part in which a value is at hand once it is made. */
  const placeOf = (value: Value): string => parentOf(partsMaking.get(value)?.at(-1)?.name ?? named.get(value) ?? '');

  const partOf = ({ inputs, output }: Unnamed): string => {
    const made = partsMaking.get(output)?.[0]?.name;
    if (made !== undefined) return made;
    const block = blocks.get(output.node!) ?? '';
    // What follows a layer of the same block may be in a finer part, such as the sequence of a shortcut.
    return inputs.map(placeOf).reduce((best, place) => (isWithin(place, block) && place.length > best.length ? place : best), block);
  };

  const unique = (name: string): string => {
    const times = (used.get(name) ?? 0) + 1;
    used.set(name, times);
    return times === 1 ? name : unique(`${name}#${times}`);
  };

  return (layer) => {
    const own = layer.name ?? (partsMaking.has(layer.output) ? undefined : points.get(layer.output));
    const part = own === undefined ? partOf(layer) : '';
    const name = unique(own ?? (part === '' ? layer.word : `${part}.${layer.word}`));
    named.set(layer.output, name);
    return { name, stage: stageOf(name, partNames, layer.output) };
  };
}

/** For each node within a block that says what it reads, the innermost one; blocks come inner before outer. */
function innermostBlocks(parts: readonly Tap[], depends: (value: Value) => boolean): ReadonlyMap<Node, string> {
  const blocks = new Map<Node, string>();
  for (const { name, value, kind, inputs = [] } of parts) {
    if (kind !== 'block' || inputs.length === 0) continue;
    for (const node of between(value, inputs, depends)) if (!blocks.has(node)) blocks.set(node, name);
  }
  return blocks;
}

function stageOf(name: string, parts: ReadonlySet<string>, { shape }: Value): string {
  const words = name.split('.');
  const part = words.map((_, i) => words.slice(0, i).join('.')).find((prefix) => parts.has(prefix));
  if (part !== undefined) return part;
  const [, height = 1, width = 1] = shape;
  return shape.length === 4 && height * width > 1 ? `${height}x${width}` : 'head';
}
