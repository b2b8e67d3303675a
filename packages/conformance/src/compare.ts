/** How far two lists are apart, and where. */
export interface Difference {
  /** The largest |actual - expected| / tolerance: at most 1 is a match; Infinity where one is NaN or infinite and the other is not. */
  readonly ratio: number;
  /** |actual - expected| at the worst element. */
  readonly error: number;
  /** The tolerance at the worst element. */
  readonly tolerance: number;
  /** `element 5 is 1.25, expected 1`; empty for empty lists. */
  readonly worst: string;
}

/** What a difference may be at an expected value. */
export type Tolerance = (expected: number) => number;

/** Compares element by element. NaN matches NaN, an infinity matches itself; with tolerance 0 only equal numbers match. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): Difference {
  if (actual.length !== expected.length) {
    return { ratio: Infinity, error: Infinity, tolerance: 0, worst: `${actual.length} elements, expected ${expected.length}` };
  }
  let [ratio, error, allowed, worst] = [0, 0, expected.length > 0 ? tolerance(expected[0]!) : 0, ''];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    const at = tolerance(b);
    const own = a === b || (Number.isNaN(a) && Number.isNaN(b)) ? 0 : Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity;
    const relative = own === 0 ? 0 : own / at;
    if (relative > ratio) [ratio, error, allowed, worst] = [relative, own, at, `element ${i} is ${a}, expected ${b}`];
  }
  return { ratio, error, tolerance: allowed, worst };
}

/** `max(1, max|b|)` over the finite elements: the scale that tolerances are relative to. */
export function magnitude(values: ArrayLike<number>): number {
  let most = 1;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/** One tolerance for all elements: `factor * max(1, max|expected|)`. */
export function relativeTo(expected: ArrayLike<number>, factor: number): Tolerance {
  const allowed = factor * magnitude(expected);
  return () => allowed;
}
