import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, keepFile } from './folder.ts';
import { chosenIn, memoryStore, type ChoiceStore, type ChosenVariants } from './store.ts';

const inMemory = memoryStore();

/** A file per scope. Of two processes that add at the same moment, one may lose what it added: it is then chosen again. */
export function folderStore(folder: string): ChoiceStore {
  const pathOf = (scope: string): string => join(folder, `${createHash('sha256').update(scope).digest('hex').slice(0, 32)}.choices.json`);
  const read = async (scope: string): Promise<ChosenVariants> => {
    try {
      const kept = JSON.parse(await readFile(pathOf(scope), 'utf8')) as { readonly scope?: unknown; readonly chosen?: unknown } | null;
      return kept?.scope === scope ? chosenIn(kept.chosen) : {};
    } catch {
      return {};
    }
  };
  return {
    read,
    async add(scope, chosen) {
      await keepFile(pathOf(scope), JSON.stringify({ scope, chosen: { ...(await read(scope)), ...chosen } }, null, 2));
    },
  };
}

/** In the user's cache folder; while the process lives where there is to be none. */
export function userStore(): ChoiceStore {
  const folder = cacheFolder();
  return folder === undefined ? inMemory : folderStore(folder);
}
