import type { Value, Variable } from '../graph.ts';
import { place, type Block } from './place.ts';
import type { Step } from './schedule.ts';

export interface Placement {
  readonly value: Value;
  readonly offset: number;
  readonly bytes: number;
  /** First and last step (by number) at which the tensor must exist, widened to whole rounds; -1 is before the first. */
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
  /** First and last step of each round: its steps may run at the same time, as none touches what another writes. */
  readonly rounds: readonly Round[];
}

export type Round = readonly [first: number, last: number];

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
  /**
   * The variables that steps write straight into, by the values they write there. Given, neighbouring steps that are independent become a
   * round where that makes no more bytes alive at once than there are anyway. Default: each step is a round.
   */
  readonly direct?: ReadonlyMap<Value, Variable>;
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
  const tensors = new Map(lifetimes.map((tensor) => [tensor.value, tensor]));
  const joins = findJoins(tensors, request.steps);
  const rounds = findRounds(request, tensors, joins);
  const blocks = blocksOf(tensors, joins, rounds);
  const livePeakBytes = Math.max(0, ...liveBytes(blocks, request.steps.length));
  const { offsets, arenaBytes } = place(blocks, livePeakBytes, pageBytes);
  const placements = blocks.flatMap(({ tensors }, i) => tensors.map((tensor): Placement => ({ ...tensor, offset: offsets[i]! })));
  return {
    arenaBytes,
    livePeakBytes,
    unsharedBytes: lifetimes.reduce((sum, { bytes }) => sum + bytes, 0),
    placements: new Map(placements.map((placement) => [placement.value, placement])),
    rounds,
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

/** The tensor that each result is written over. */
function findJoins(tensors: ReadonlyMap<Value, Tensor>, steps: readonly Step[]): Map<Value, Value> {
  const joins = new Map<Value, Value>();
  steps.forEach(({ outputs: [output], overwrites }, at) => {
    const own = output && tensors.get(output);
    if (!own || own.first !== at) return;
    const dying = overwrites.find((value) => tensors.get(value)?.last === at && tensors.get(value)!.bytes === own.bytes);
    if (dying) joins.set(output, dying);
  });
  return joins;
}

/** One block for tensors of which each is written over the one before, needed for whole rounds. */
function blocksOf(tensors: ReadonlyMap<Value, Tensor>, joins: ReadonlyMap<Value, Value>, rounds: readonly Round[]): readonly SharedBlock[] {
  const roundOf = new Map(rounds.flatMap((round) => range(round).map((at) => [at, round] as const)));
  const chains = new Map<Value, Tensor[]>();
  // Tensors come in the order of their first steps: what is written over is here before what is written.
  for (const { value, first, last, bytes } of tensors.values()) {
    const tensor = { value, first: roundOf.get(first)?.[0] ?? first, last: roundOf.get(last)?.[1] ?? last, bytes };
    const chain = chains.get(joins.get(value)!) ?? [];
    chain.push(tensor);
    chains.set(value, chain);
  }
  return [...new Set(chains.values())].map((chain) => ({
    first: chain[0]!.first,
    last: chain.at(-1)!.last,
    bytes: chain[0]!.bytes,
    tensors: chain,
  }));
}

const range = ([first, last]: Round): readonly number[] => Array.from({ length: last + 1 - first }, (_, i) => first + i);

/** Rounds as long as they can be, one after the other. A result that another step of its round still reads the place of gets its own. */
function findRounds({ steps, direct }: MemoryRequest, tensors: ReadonlyMap<Value, Tensor>, joins: Map<Value, Value>): readonly Round[] {
  const alone = steps.map((_, at): Round => [at, at]);
  if (!direct) return alone;
  const live = liveBytes(blocksOf(tensors, joins, alone), steps.length);
  const peak = Math.max(0, ...live);
  const rounds: Round[] = [];
  let alive = Infinity;
  let read = new Set<Value>();
  let written = new Set<Value>();
  steps.forEach(({ outputs, reads, waitsFor }, at) => {
    const results = outputs.filter((value) => value !== null);
    const home = (value: Value): Value => direct.get(value) ?? value;
    const needs = [...reads, ...waitsFor].map(home);
    const isFree = !results.some((value) => read.has(home(value))) && !needs.some((value) => written.has(value));
    const parted = results.filter((value) => joins.has(value) && read.has(joins.get(value)!));
    for (const value of results) {
      const tensor = tensors.get(value);
      if (tensor?.first === at && (!joins.has(value) || parted.includes(value))) alive += tensor.bytes;
    }
    if (isFree && alive <= peak) {
      rounds.push([rounds.pop()![0], at]);
      parted.forEach((value) => joins.delete(value));
    } else {
      rounds.push([at, at]);
      [alive, read, written] = [live[at + 1]!, new Set(), new Set()];
    }
    needs.forEach((value) => read.add(value));
    results.forEach((value) => written.add(home(value)));
  });
  return rounds;
}

/** Bytes alive before the first step, at each, and after the last. */
function liveBytes(blocks: readonly Block[], steps: number): Float64Array {
  const live = new Float64Array(steps + 3);
  for (const { first, last, bytes } of blocks) {
    live[first + 1]! += bytes;
    live[last + 2]! -= bytes;
  }
  for (let at = 1; at < live.length; at++) live[at]! += live[at - 1]!;
  return live;
}
