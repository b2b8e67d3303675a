import { median } from 'simple-statistics';

/** The times of one process, in milliseconds, by what was measured. */
export type Round = ReadonlyMap<string, number>;

/** How an item stands among the others of its suite. */
export interface Standing {
  /** Its time over the geometric mean of the times of all items. */
  readonly ratio: number;
  /** How far the ratio moved between processes that ran the same code: 0.03 is 3 %. */
  readonly noise: number;
}

export type Standings = Readonly<Record<string, Standing>>;

export interface Comparison {
  readonly item: string;
  /** How much longer it takes than it did, beside what all items changed by: 0.03 is 3 %. */
  readonly change: number;
  /** What changes by less cannot be told from noise. */
  readonly floor: number;
  readonly verdict: 'slower' | 'faster' | 'same';
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The ratios of a suite from several rounds of the same code. Logarithms are compared, so that twice and half weigh the same. The noise
 * of an item is the widest difference between its rounds, and at least what is usual among all: three rounds may agree by chance.
 *
 * @throws Error when there are fewer than two rounds: noise would be unknown
 */
export function standingsOf(rounds: readonly Round[]): Standings {
  if (rounds.length < 2) throw new Error(`${rounds.length} rounds say nothing about noise. Give at least 2.`);
  const logs = rounds.map((round) => {
    const centre = mean([...round.values()].map(Math.log));
    return new Map([...round].map(([item, ms]) => [item, Math.log(ms) - centre]));
  });
  const items = [...rounds[0]!.keys()];
  const valuesOf = (item: string): readonly number[] => logs.map((round) => round.get(item)!);
  const spreads = new Map(items.map((item) => [item, Math.max(...valuesOf(item)) - Math.min(...valuesOf(item))]));
  const usual = median([...spreads.values()]);
  return Object.fromEntries(
    items.map((item) => [item, { ratio: Math.exp(median([...valuesOf(item)])), noise: Math.expm1(Math.max(usual, spreads.get(item)!)) }]),
  );
}

/**
 * Holds ratios against those of a baseline. A ratio also moves when other items do: what most items changed by is taken as no change, so
 * that one item that became twice as fast does not make all others look slower. The floor is the noise of both measurements.
 */
export function compare(baseline: Standings, now: Standings): readonly Comparison[] {
  const changes = Object.entries(now).flatMap(([item, { ratio, noise }]) => {
    const before = baseline[item];
    return before ? [{ item, log: Math.log(ratio / before.ratio), floor: Math.log1p(noise) + Math.log1p(before.noise) }] : [];
  });
  if (changes.length === 0) return [];
  const common = median(changes.map(({ log }) => log));
  return changes.map(({ item, log, floor }) => {
    const own = log - common;
    return { item, change: Math.expm1(own), floor: Math.expm1(floor), verdict: own > floor ? 'slower' : own < -floor ? 'faster' : 'same' };
  });
}
