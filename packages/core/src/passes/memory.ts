import type { Value } from '../graph.ts';
import type { Step } from './schedule.ts';

export interface Placement {
  readonly value: Value;
  readonly offset: number;
  readonly bytes: number;
  /** First and last step (by number) at which the tensor must exist; -1 is before the first. */
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Size of the one allocation that holds all intermediates. */
  readonly arenaBytes: number;
  /** The largest sum of bytes alive at one step: no plan can need less. */
  readonly livePeakBytes: number;
  /** What separate allocations would take. */
  readonly unsharedBytes: number;
  readonly placements: ReadonlyMap<Value, Placement>;
}

export interface MemoryRequest {
  readonly steps: readonly Step[];
  /** Bytes a tensor occupies in the backend's physical layout (halo and channel padding included). */
  readonly bytesOf: (value: Value) => number;
  /** Every offset is a multiple of this. */
  readonly alignment: number;
  /** Tensors that exist before the first step, such as feeds. */
  readonly before?: readonly Value[];
  /** Tensors that must outlive the last step, such as outputs. */
  readonly after?: readonly Value[];
  /** Tensors that live elsewhere: variables, constants, static results. */
  readonly elsewhere: (value: Value) => boolean;
}

/**
 * Places every intermediate tensor in one arena: tensors that are never alive together may share bytes.
 * Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020): largest first,
 * each at the lowest gap among those already placed whose lifetimes overlap its own.
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const { alignment } = request;
  const lifetimes = lifetimesOf(request).map((lifetime) => ({
    ...lifetime,
    bytes: Math.ceil(request.bytesOf(lifetime.value) / alignment) * alignment,
  }));
  const placed: Placement[] = [];
  for (const lifetime of lifetimes.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const overlapping = placed
      .filter((other) => other.first <= lifetime.last && lifetime.first <= other.last)
      .toSorted((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of overlapping) {
      if (other.offset - offset >= lifetime.bytes) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    placed.push({ ...lifetime, offset });
  }
  return {
    arenaBytes: placed.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0),
    livePeakBytes: livePeak(lifetimes, request.steps.length),
    unsharedBytes: lifetimes.reduce((sum, { bytes }) => sum + bytes, 0),
    placements: new Map(placed.map((placement) => [placement.value, placement])),
  };
}

interface Lifetime {
  readonly value: Value;
  readonly first: number;
  readonly last: number;
}

function lifetimesOf({ steps, before = [], after = [], elsewhere }: MemoryRequest): readonly Lifetime[] {
  const spans = new Map<Value, { value: Value; first: number; last: number }>();
  const touch = (value: Value, step: number): void => {
    if (elsewhere(value)) return;
    const span = spans.get(value);
    if (!span) spans.set(value, { value, first: step, last: step });
    else span.last = Math.max(span.last, step);
  };
  before.forEach((value) => touch(value, -1));
  steps.forEach((step, at) => {
    step.outputs.forEach((value) => value && touch(value, at));
    step.reads.forEach((value) => touch(value, at));
  });
  after.forEach((value) => touch(value, steps.length));
  return [...spans.values()];
}

function livePeak(lifetimes: readonly (Lifetime & { bytes: number })[], steps: number): number {
  const change = new Float64Array(steps + 3);
  for (const { first, last, bytes } of lifetimes) {
    change[first + 1]! += bytes;
    change[last + 2]! -= bytes;
  }
  let alive = 0;
  let peak = 0;
  for (const delta of change) peak = Math.max(peak, (alive += delta));
  return peak;
}
