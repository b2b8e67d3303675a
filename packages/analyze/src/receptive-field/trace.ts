import { ShoalError, siteOf, topological, type Node, type Reads, type Value } from '@shoal/core';
import { boundedTable, identityTable } from './table.ts';
import { plainTrack, regroupTrack, stepTrack, uniteTracks, type Track } from './track.ts';

/** How the elements of a tensor depend on one axis of the image. */
export interface Sight {
  /** What is looked at through windows, from a place that moves with the element. Null where there is no such path. */
  readonly track: Track | null;
  /** Whether some path reads the whole image, wherever the element is. */
  readonly whole: boolean;
  /** How far apart the middles of paths are that meet on the way, in image cells, where they are farthest. */
  readonly misalignment: number;
}

/** Both image axes, height first. */
export type Sights = readonly [height: Sight, width: Sight];

export interface Trace {
  /** Null for values that do not depend on the image. */
  readonly sightsOf: (value: Value) => Sights | null;
  /** Ops that do not say what they read: they are taken to read everything. */
  readonly assumed: ReadonlySet<string>;
}

/**
 * Follows the two axes of an image through everything that is computed from it on the way to `outputs`. With `bounded`, tensors end
 * where they end, and padding depends on nothing; otherwise all go on forever, as the image is taken to.
 */
export function trace(outputs: readonly Value[], image: Value, bounded: boolean): Trace {
  const sights = new Map<Value, Sights>();
  const assumed = new Set<string>();
  const start = (axis: 1 | 2): Sight => ({
    track: plainTrack(axis, bounded ? boundedTable(image.shape[axis]!) : identityTable, !bounded),
    whole: false,
    misalignment: 0,
  });
  sights.set(image, [start(1), start(2)]);

  const visit = (node: Node): void => {
    if (sights.has(node.outputs[0]!) || !node.inputs.some((value) => sights.has(value))) return;
    if (node.op.name === 'core/reshape') return note(node, (axis) => reshaped(node, sights.get(node.inputs[0]!)![axis]));
    const reads = node.op.reads?.(siteOf(node));
    if (!reads && node.op.expand) {
      const expanded = node.op.expand(node.inputs, node.attributes as never);
      topological(expanded).forEach(visit);
      node.outputs.forEach((output, i) => {
        const found = sights.get(expanded[i]!);
        if (found) sights.set(output, found);
      });
      return;
    }
    if (!reads) assumed.add(node.op.name);
    note(node, (axis) => seen(node, reads ?? null, axis, sights));
  };
  const note = (node: Node, sightAlong: (axis: 0 | 1) => Sight): void => {
    const found: Sights = [sightAlong(0), sightAlong(1)];
    node.outputs.forEach((output) => sights.set(output, found));
  };
  topological(outputs).forEach(visit);
  return { sightsOf: (value) => sights.get(value) ?? null, assumed };
}

function reshaped({ inputs: [x], outputs: [y] }: Node, { track, ...rest }: Sight): Sight {
  if (!track) return { track, ...rest };
  const regrouped = regroupTrack(track, x!.shape, y!.shape);
  return { ...rest, track: regrouped, whole: rest.whole || regrouped === null };
}

/** What the elements of a node's outputs see along an image axis; `reads` is null where they may read anything. */
function seen(node: Node, reads: Reads | null, axis: 0 | 1, sights: ReadonlyMap<Value, Sights>): Sight {
  const to = node.outputs[0]!.shape;
  let sight: Sight = { track: null, whole: false, misalignment: 0 };
  node.inputs.forEach((value, input) => {
    const own = sights.get(value)?.[axis];
    if (!own) return;
    const rules = reads ? reads[input]! : value.shape.map(() => 'all' as const);
    if (rules.length !== value.shape.length) {
      throw new ShoalError('GRAPH', {
        op: node.op.name,
        fact: `says what it reads along ${rules.length} axes of input ${input}, which has ${value.shape.length}`,
        next: 'Give one entry for each axis',
      });
    }
    const { track, whole } = own.track ? stepTrack(own.track, rules, value.shape, to) : { track: null, whole: false };
    sight = meet(sight, { track, whole: whole || own.whole, misalignment: own.misalignment }, to);
  });
  return sight;
}

function meet(a: Sight, b: Sight, shape: readonly number[]): Sight {
  const whole = a.whole || b.whole;
  const misalignment = Math.max(a.misalignment, b.misalignment);
  if (!a.track || !b.track) return { track: a.track ?? b.track, whole, misalignment };
  const met = uniteTracks(a.track, b.track, shape);
  return { track: met.track, whole: whole || met.whole, misalignment: Math.max(misalignment, met.distance) };
}
