import type { Choices } from '@shoal/cache/choices';

/** A page times anew: that takes about as long as it takes to open a database, and needs no more code. */
export const keptChoices = (): Promise<Choices> =>
  Promise.resolve({ find: () => undefined, set: () => undefined, save: () => Promise.resolve() });
