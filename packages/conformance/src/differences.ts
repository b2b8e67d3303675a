/** A vector function of one vector, evaluated in float64. */
export type Sampled = (x: Float64Array) => Promise<ArrayLike<number>>;

/** Above this many elements, a sample of them is perturbed instead of each. */
const mostElements = 256;
const step = 2 ** -15;

export interface DirectionalDerivative {
  /** The element of `x` that was moved. */
  readonly element: number;
  readonly derivative: number;
}

/**
 * Central differences of `sum(weights * f(x))` to elements of `x`, in float64: (f(x + h) - f(x - h)) / 2h with h = 2^-15,
 * improved by Richardson's extrapolation with 2h, which leaves an error of the order of h^4. The weighted sum is taken of
 * the differences, so that outputs which do not move cancel exactly.
 *
 * @returns the derivative at every element, or at about 256 of them, evenly spread, where there are more
 */
export async function centralDifferences(
  f: Sampled,
  x: Float64Array,
  weights: ArrayLike<number>,
): Promise<readonly DirectionalDerivative[]> {
  const found: DirectionalDerivative[] = [];
  // An odd stride visits all residues of the usual even channel counts and widths.
  const stride = x.length <= mostElements ? 1 : Math.floor(x.length / mostElements) | 1;
  for (let element = 0; element < x.length; element += stride) {
    const slope = async (h: number): Promise<number> => {
      const moved = x.slice();
      moved[element] = x[element]! + h;
      const up = await f(moved);
      moved[element] = x[element]! - h;
      const down = await f(moved);
      let sum = 0;
      for (let i = 0; i < up.length; i++) sum += weights[i]! * (up[i]! - down[i]!);
      return sum / (2 * h);
    };
    found.push({ element, derivative: (4 * (await slope(step)) - (await slope(2 * step))) / 3 });
  }
  return found;
}
