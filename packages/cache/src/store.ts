/** Names of variants by what they were chosen for. */
export type ChosenVariants = Readonly<Record<string, string>>;

/** Where choices are kept. What cannot be kept is lost, and what cannot be read is none: neither call rejects. */
export interface ChoiceStore {
  read(scope: string): Promise<ChosenVariants>;
  /** Adds to what is kept for a scope, in place of what was chosen for the same things. */
  add(scope: string, chosen: ChosenVariants): Promise<void>;
}

/** Keeps choices as long as it lives. */
export function memoryStore(): ChoiceStore {
  const kept = new Map<string, ChosenVariants>();
  return {
    read: (scope) => Promise.resolve(kept.get(scope) ?? {}),
    add(scope, chosen) {
      kept.set(scope, { ...kept.get(scope), ...chosen });
      return Promise.resolve();
    },
  };
}

/** What of a value that comes from outside can be names of variants. */
export function chosenIn(value: unknown): ChosenVariants {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
