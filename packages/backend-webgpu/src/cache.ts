interface Entry<T> {
  readonly made: Promise<T>;
  readonly users: Set<object>;
}

/** Things that take long to make, one for each key. They are kept while somebody uses them; of the others, those last asked for. */
export class SharedCache<T> {
  /** In the order in which they were last asked for. */
  readonly #entries = new Map<string, Entry<T>>();
  readonly #spare: number;

  /** @param spare how many are kept that nobody uses */
  constructor(spare: number) {
    this.#spare = spare;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What could not be made is forgotten, and made anew when it is asked for again. */
  acquire(key: string, user: object, make: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    const entry = known ?? { made: make(), users: new Set() };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.users.add(user);
    if (!known) {
      void entry.made.catch(() => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      });
    }
    return entry.made;
  }

  /** The user needs nothing any more. */
  release(user: object): void {
    for (const { users } of this.#entries.values()) users.delete(user);
    const unused = [...this.#entries].filter(([, { users }]) => users.size === 0);
    for (const [key] of unused.slice(0, Math.max(0, unused.length - this.#spare))) this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
