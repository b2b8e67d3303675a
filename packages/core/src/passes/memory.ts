import type { Value } from '../graph.ts';
import { place, type Block } from './place.ts';
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
  /** Size of the allocation that holds all intermediates. */
  readonly arenaBytes: number;
  /** The largest sum of bytes alive at one step, tensors that are written over counted once: no plan can need less. */
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
  /** No tensor lies across a multiple of this, so that the arena can be several allocations of so many bytes. Default: it is one. */
  readonly pageBytes?: number;
  /** Tensors that exist before the first step, such as feeds. */
  readonly before?: readonly Value[];
  /** Tensors that must outlive the last step, such as outputs. */
  readonly after?: readonly Value[];
  /** Tensors that live elsewhere: variables, constants, static results. */
  readonly elsewhere: (value: Value) => boolean;
}

/**
 * Places every intermediate tensor in one arena: tensors that are never alive together may share bytes, and a step's result takes the place
 * of a tensor of its size that the step may write over and that nobody reads afterwards.
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const { alignment, bytesOf, pageBytes = Infinity } = request;
  const lifetimes = lifetimesOf(request).map((lifetime) => ({
    ...lifetime,
    bytes: Math.ceil(bytesOf(lifetime.value) / alignment) * alignment,
  }));
  const blocks = joinInPlace(lifetimes, request.steps);
  const livePeakBytes = livePeak(blocks, request.steps.length);
  const { offsets, arenaBytes } = place(blocks, livePeakBytes, pageBytes);
  const placements = blocks.flatMap(({ tensors }, i) => tensors.map((tensor): Placement => ({ ...tensor, offset: offsets[i]! })));
  return {
    arenaBytes,
    livePeakBytes,
    unsharedBytes: lifetimes.reduce((sum, { bytes }) => sum + bytes, 0),
    placements: new Map(placements.map((placement) => [placement.value, placement])),
  };
}

type Tensor = Omit<Placement, 'offset'>;

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

interface SharedBlock extends Block {
  readonly tensors: readonly Tensor[];
}

/** One block for tensors of which each is written over the one before. */
function joinInPlace(lifetimes: readonly Tensor[], steps: readonly Step[]): readonly SharedBlock[] {
  const tensors = new Map(lifetimes.map((lifetime) => [lifetime.value, lifetime]));
  const successors = new Map<Value, Value>();
  const joined = new Set<Value>();
  steps.forEach(({ outputs: [output], overwrites }, at) => {
    const own = output && tensors.get(output);
    if (!own || own.first !== at) return;
    const dying = overwrites.find((value) => tensors.get(value)?.last === at && tensors.get(value)!.bytes === own.bytes);
    if (!dying) return;
    successors.set(dying, own.value);
    joined.add(own.value);
  });
  return lifetimes
    .filter(({ value }) => !joined.has(value))
    .map((head) => {
      const chain = [head];
      for (let next = successors.get(head.value); next; next = successors.get(next)) chain.push(tensors.get(next)!);
      return { first: head.first, last: chain.at(-1)!.last, bytes: head.bytes, tensors: chain };
    });
}

function livePeak(blocks: readonly Block[], steps: number): number {
  const change = new Float64Array(steps + 3);
  for (const { first, last, bytes } of blocks) {
    change[first + 1]! += bytes;
    change[last + 2]! -= bytes;
  }
  let alive = 0;
  let peak = 0;
  for (const delta of change) peak = Math.max(peak, (alive += delta));
  return peak;
}
