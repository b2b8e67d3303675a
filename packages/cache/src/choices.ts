import { userStore } from '#store';
import type { ChoiceStore } from './store.ts';

export { memoryStore, type ChoiceStore, type ChosenVariants } from './store.ts';

/** Choices are made again for each version, whose kernels may be others. */
export const version = '0.1.0';

/** Which variants of kernels were found to be the fastest, kept between processes and visits of a page. */
export interface Choices {
  /** The variant that was chosen; undefined where none of those offered now was. */
  find(key: string, offered: readonly string[]): string | undefined;
  set(key: string, variant: string): void;
  /** Keeps what was set. It never rejects: what cannot be kept is chosen again next time. */
  save(): Promise<void>;
}

/**
 * The choices of one engine: `scope` is all that decides which variant is fastest beside the work itself, such as the backend, the
 * adapter and the driver. The version of Shoal is part of it.
 *
 * A key is the work: the kernel's name, shapes and attributes. Choose only among variants whose bits are the same: nothing else makes
 * what was kept harmless, whoever wrote it.
 *
 * @param store default: a file in the user's cache folder, in browsers IndexedDB, and where neither can be had memory
 */
export async function openChoices(scope: readonly string[], store: ChoiceStore = userStore()): Promise<Choices> {
  const name = JSON.stringify([version, ...scope]);
  const chosen = new Map(Object.entries(await store.read(name)));
  const unsaved = new Map<string, string>();
  return {
    find(key, offered) {
      const variant = chosen.get(key);
      return variant !== undefined && offered.includes(variant) ? variant : undefined;
    },
    set(key, variant) {
      chosen.set(key, variant);
      unsaved.set(key, variant);
    },
    async save() {
      if (unsaved.size === 0) return;
      const added = Object.fromEntries(unsaved);
      unsaved.clear();
      await store.add(name, added);
    },
  };
}
