import { medianSorted, quantileSorted, sampleWithReplacement } from 'simple-statistics';

/** Times of one row, in nanoseconds. */
export interface Summary {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly p95: number;
}

export interface Ratio {
  readonly ratio: number;
  /** A 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

export function summarize(samples: readonly number[]): Summary {
  const sorted = ascending(samples);
  const at = (quantile: number): number => quantileSorted(sorted, quantile);
  return { median: medianSorted(sorted), q1: at(0.25), q3: at(0.75), p95: at(0.95) };
}

const RESAMPLES = 1000;

/** The ratio of two medians with its percentile bootstrap interval (Efron, "Bootstrap methods: another look at the jackknife", 1979). Fixed seed. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const random = generator(1);
  const medianOf = (values: readonly number[]): number => medianSorted(ascending(values));
  const again = (values: readonly number[]): number => medianOf(sampleWithReplacement([...values], values.length, random));
  const ratios = ascending(Array.from({ length: RESAMPLES }, () => again(ours) / again(theirs)));
  return { ratio: medianOf(ours) / medianOf(theirs), low: quantileSorted(ratios, 0.025), high: quantileSorted(ratios, 0.975) };
}

/** Park and Miller's generator, in [0, 1). */
function generator(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = seed;
  return () => {
    state = (state * 48271) % modulus;
    return (state - 1) / (modulus - 1);
  };
}
