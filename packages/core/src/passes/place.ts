/** Bytes that are needed from step `first` to step `last`. */
export interface Block {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

interface Placing {
  /** By the number of the block. */
  readonly offsets: readonly number[];
  readonly arenaBytes: number;
}

/** In how many rounds blocks that end too high move to the front, and by which factor they count for more each time. */
const rounds = 16;
const factor = 1.5;
/** How many small changes of the best order are tried: some tenths of a second, with few blocks as with many. */
const triesFor = (blocks: number): number => Math.min(4000, Math.ceil(3e7 / blocks ** 2));
/** Near enough to what no placing can undercut. */
const goodEnough = 1.01;

/**
 * Puts blocks into one arena so that those needed together do not overlap. Greedy: one after the other, each into the lowest gap that holds it
 * (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020), by weights that begin with sizes, or with sizes
 * times lifetimes. Blocks that end above `least`, which no placing can undercut, weigh more in the next round ("squeaky wheel" optimisation,
 * Joslin and Clements, 1999); then the best weights are varied by chance, which is the same for the same blocks. No block lies across a
 * multiple of `pageBytes`, unless it is larger.
 */
export function place(blocks: readonly Block[], least: number, pageBytes = Infinity): Placing {
  let best: Placing = { offsets: blocks.map(() => 0), arenaBytes: blocks.length === 0 ? 0 : Infinity };
  let bestWeights: readonly number[] = [];
  const isDone = (): boolean => best.arenaBytes <= goodEnough * least;
  const attempt = (weights: readonly number[]): Placing => {
    const found = placeInOrder(blocks, weights, pageBytes);
    if (found.arenaBytes < best.arenaBytes) [best, bestWeights] = [found, [...weights]];
    return found;
  };
  for (const measure of [({ bytes }: Block) => bytes, ({ bytes, first, last }: Block) => bytes * (last - first + 1)]) {
    const weights = blocks.map(measure);
    for (let round = 0; round < rounds && !isDone(); round++) {
      const { offsets } = attempt(weights);
      offsets.forEach((offset, at) => {
        if (offset + blocks[at]!.bytes > least) weights[at]! *= factor;
      });
    }
  }
  const chance = chances();
  for (let left = triesFor(blocks.length); left > 0 && !isDone(); left--) {
    attempt(bestWeights.map((weight) => weight * 2 ** (2 * chance() - 1)));
  }
  return best;
}

/** Numbers in [0, 1): a linear congruential generator (Knuth), always from the same start. */
function chances(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The heaviest first; of equals the one that is needed first. */
function placeInOrder(blocks: readonly Block[], weights: readonly number[], pageBytes: number): Placing {
  const order = [...blocks.keys()].toSorted((a, b) => weights[b]! - weights[a]! || blocks[a]!.first - blocks[b]!.first || a - b);
  const offsets = blocks.map(() => 0);
  const placed: number[] = [];
  let arenaBytes = 0;
  for (const at of order) {
    const own = blocks[at]!;
    const onPage = (from: number): number => {
      const page = Math.floor(from / pageBytes);
      const isWhole = from % pageBytes === 0 || page === Math.floor((from + own.bytes - 1) / pageBytes);
      return isWhole ? from : (page + 1) * pageBytes;
    };
    let offset = 0;
    for (const other of placed) {
      const { first, last, bytes } = blocks[other]!;
      if (first > own.last || last < own.first) continue;
      if (offsets[other]! - offset >= own.bytes) break;
      offset = onPage(Math.max(offset, offsets[other]! + bytes));
    }
    offsets[at] = offset;
    insert(placed, at, offsets);
    arenaBytes = Math.max(arenaBytes, offset + own.bytes);
  }
  return { offsets, arenaBytes };
}

/** Keeps `placed` sorted by offset. */
function insert(placed: number[], at: number, offsets: readonly number[]): void {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[placed[middle]!]! < offsets[at]!) low = middle + 1;
    else high = middle;
  }
  placed.splice(low, 0, at);
}
