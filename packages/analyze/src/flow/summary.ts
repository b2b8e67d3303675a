import { philox4x32 } from '@shoal/core';
import { max, mean, meanSimple, min, quantileSorted, sampleWithReplacement } from 'simple-statistics';

/** One number, seen under several seeds. */
export interface Summary {
  /** One for each run, in order. */
  readonly values: readonly number[];
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /**
   * 95 % interval of the mean over seeds: percentile bootstrap, 2000 resamples (Efron, 1979). It is too narrow where seeds are few: of
   * normal numbers it holds the true mean in 83 of 100 cases with five seeds, in 90 with ten, in 94 with twenty. Null for one run, which
   * says nothing about others, and where a value is not finite.
   */
  readonly interval: readonly [low: number, high: number] | null;
}

const resamples = 2000;
const byCount = new Map<number, readonly (readonly number[])[]>();

/** Which runs each resample takes: the same at every call, so that a report is a function of its values. */
function resampledRuns(count: number): readonly (readonly number[])[] {
  const known = byCount.get(count);
  if (known) return known;
  const runs = Array.from({ length: count }, (_, run) => run);
  let drawn = 0;
  const source = (): number => philox4x32([drawn++, 0, 0, 0], [count, 0])[0] / 2 ** 32;
  const made = Array.from({ length: resamples }, () => sampleWithReplacement(runs, count, source));
  byCount.set(count, made);
  return made;
}

export function summarise(values: readonly number[]): Summary {
  const own = [...values];
  return {
    values: own,
    mean: mean(own),
    min: min(own),
    max: max(own),
    interval: own.length > 1 && own.every(Number.isFinite) ? intervalOf(own) : null,
  };
}

function intervalOf(values: readonly number[]): readonly [number, number] {
  const means = resampledRuns(values.length)
    .map((runs) => meanSimple(runs.map((run) => values[run]!)))
    .toSorted((a, b) => a - b);
  return [quantileSorted(means, 0.025), quantileSorted(means, 0.975)];
}
