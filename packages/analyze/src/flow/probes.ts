import { expression as e, map, reduce, sizeOf, type TensorData, type Value } from '@shoal/core';

/** What a run brought back, by the names that {@link Probes} chose. */
export type Fetched = Readonly<Record<string, TensorData>>;

/** Reads one number out of a run. */
export type Reading = (fetched: Fetched) => number;

/** Leading axes whose partial sums are added on the host in float64: enough to be exact, little enough to copy. */
const keptAxes = 2;

/**
 * Numbers about values of a graph, computed where the values are: a gradient of a million elements comes back as a few partial sums.
 */
export class Probes {
  readonly outputs: Record<string, Value> = {};
  readonly #known = new Map<Value, Reading>();

  /**
   * The L2 norm. Elements are divided by the largest magnitude before they are squared, so that gradients of 1e-30, whose squares
   * float32 cannot hold, have a norm too.
   */
  norm(value: Value): Reading {
    const known = this.#known.get(value);
    if (known) return known;
    const magnitude = reduce(
      map([value], (x) => e.abs(x)),
      { kind: 'max' },
    );
    const scale = map([magnitude], (m) => e.select(e.gt(m, 0), m, 1));
    const squares = map([value, scale], (x, s) => e.mul(e.div(x, s), e.div(x, s)));
    const [largest, rest] = [this.#fetch(magnitude), this.sum(squares)];
    const reading: Reading = (fetched) => fetched[largest]![0]! * Math.sqrt(rest(fetched));
    this.#known.set(value, reading);
    return reading;
  }

  /** The sum of all elements; of zeros and ones it is exact. */
  sum(value: Value): Reading {
    const axes = value.shape.map((_, axis) => axis).slice(Math.min(keptAxes, value.shape.length - 1));
    const name = this.#fetch(value.shape.length === 0 ? value : reduce(value, { kind: 'sum', axes }));
    return (fetched) => {
      let total = 0;
      for (const part of fetched[name]!) total += part;
      return total;
    };
  }

  /** The fraction of elements that are 1, of zeros and ones. */
  fraction(value: Value): Reading {
    const total = this.sum(value);
    return (fetched) => total(fetched) / sizeOf(value.shape);
  }

  #fetch(value: Value): string {
    const name = `probe${Object.keys(this.outputs).length}`;
    this.outputs[name] = value;
    return name;
  }
}
