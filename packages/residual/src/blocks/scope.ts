import { formatShape, sameShape, ShapeError, ShoalError, variable, type Shape, type Variable } from '@shoal/core';
import { parameter, type Initialiser } from '@shoal/math';

interface Entry {
  readonly variable: Variable;
  readonly trainable: boolean;
}

/**
 * Names the variables of a network and makes each once: asking again for a name gives the same variable, so that the programs for
 * training, for evaluation and for another batch size share their weights. `scope.in('layer1.0').in('conv1')` names what it makes
 * `layer1.0.conv1.weight`: the names of PyTorch's state dicts.
 */
export class Scope {
  readonly prefix: string;
  /** For initialisers; with the name it decides the first values. */
  readonly seed: number;
  readonly #entries: Map<string, Entry>;

  constructor(seed: number, prefix = '', entries: Map<string, Entry> = new Map()) {
    this.seed = seed;
    this.prefix = prefix;
    this.#entries = entries;
  }

  /** The scope of a part. */
  in(name: string): Scope {
    return new Scope(this.seed, `${this.prefix}${name}.`, this.#entries);
  }

  /** A variable that training moves. @throws ShapeError when the name is known with another shape */
  parameter(name: string, shape: Shape, initialiser: Initialiser | number): Variable {
    return this.#variable(name, shape, true, (full) => parameter(full, shape, initialiser));
  }

  /** A variable that training does not move by gradients: running statistics. @throws ShapeError when the name is known with another shape */
  buffer(name: string, shape: Shape, initial: number): Variable {
    return this.#variable(name, shape, false, (full) => parameter(full, shape, initial));
  }

  /** A buffer that counts steps: u32 of shape [], from 0. */
  counter(name: string): Variable {
    return this.#variable(name, [], false, (full) => variable(full, [], 0, 'u32'));
  }

  /** What training moves, in the order it was made. */
  get parameters(): readonly Variable[] {
    return this.#under(({ trainable }) => trainable);
  }

  /** Parameters and buffers by full name, in the order they were made: what a checkpoint holds. */
  get state(): Readonly<Record<string, Variable>> {
    return Object.fromEntries(this.#under(() => true).map((variable) => [variable.name, variable]));
  }

  #under(wanted: (entry: Entry) => boolean): readonly Variable[] {
    return [...this.#entries.values()].flatMap((entry) =>
      entry.variable.name.startsWith(this.prefix) && wanted(entry) ? [entry.variable] : [],
    );
  }

  #variable(name: string, shape: Shape, trainable: boolean, make: (full: string) => Variable): Variable {
    const full = `${this.prefix}${name}`;
    const known = this.#entries.get(full);
    if (!known) {
      const made = make(full);
      this.#entries.set(full, { variable: made, trainable });
      return made;
    }
    const fact = `'${full}' is ${formatShape(known.variable.shape)} and was asked for as ${formatShape(shape)}`;
    if (!sameShape(known.variable.shape, shape)) throw new ShapeError({ op: 'scope', fact, next: 'Use another name, or another scope' });
    if (known.trainable !== trainable)
      throw new ShoalError('GRAPH', { op: 'scope', fact: `'${full}' is both a parameter and a buffer`, next: 'Use another name' });
    return known.variable;
  }
}

/** A scope for one network. Its variables start from `seed`. */
export function createScope(options: { readonly seed: number }): Scope {
  return new Scope(options.seed);
}
