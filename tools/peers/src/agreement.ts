import type { Tolerance } from './works/index.ts';

/** How far results are from what is expected, relative to the root mean square of what is expected. */
export interface Agreement {
  readonly largest: number;
  readonly typical: number;
  readonly agrees: boolean;
}

/** For engines that round factors to 10 bits after the point where float32 has 23; what is off by a third is not rounded but wrong. */
export const loosened = (tolerance: Tolerance): Tolerance =>
  Object.fromEntries(Object.entries(tolerance).map(([name, limit]) => [name, Math.min(0.3, 100 * limit)]));

/** The worst of all arrays. A NaN, or a wrong number of results, never agrees. */
export function compare(results: readonly Float32Array[], expected: readonly ArrayLike<number>[], tolerance: Tolerance): Agreement {
  const parts = expected.map((wanted, i) => distance(results[i] ?? new Float32Array(), wanted));
  const worst = (of: 'largest' | 'typical'): number => Math.max(...parts.map((part) => part[of]));
  const [largest, typical] = [worst('largest'), worst('typical')];
  const agrees = results.length === expected.length && within(largest, tolerance.largest) && within(typical, tolerance.typical);
  return { largest, typical, agrees };
}

const within = (value: number, limit: number | undefined): boolean => (limit === undefined ? Number.isFinite(value) : value <= limit);

function distance(results: Float32Array, expected: ArrayLike<number>): Omit<Agreement, 'agrees'> {
  if (results.length !== expected.length) return { largest: Infinity, typical: Infinity };
  let [squares, differences, largest] = [0, 0, 0];
  for (let i = 0; i < results.length; i++) {
    const difference = Math.abs(results[i]! - expected[i]!);
    if (!(difference < Infinity)) return { largest: Infinity, typical: Infinity };
    squares += expected[i]! ** 2;
    differences += difference ** 2;
    largest = Math.max(largest, difference);
  }
  // Where zeros are expected, any difference is infinitely large.
  const scale = Math.sqrt(squares / results.length);
  const relative = (value: number): number => (value === 0 ? 0 : value / scale);
  return { largest: relative(largest), typical: relative(Math.sqrt(differences / results.length)) };
}
