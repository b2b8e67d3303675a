import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * In Node, where backends keep what is costly to find out again between processes: `$SHOAL_CACHE`, else `shoal` in the user's cache
 * folder. An empty `SHOAL_CACHE` keeps nothing: undefined.
 */
export function cacheFolder(
  variables: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
  home = homedir(),
): string | undefined {
  const given = variables['SHOAL_CACHE'];
  if (given !== undefined) return given === '' ? undefined : given;
  // The specification of XDG has an empty variable mean what an absent one does.
  const user = platform === 'win32' ? variables['LOCALAPPDATA'] : variables['XDG_CACHE_HOME'];
  return join(user || join(home, platform === 'win32' ? 'AppData/Local' : '.cache'), 'shoal');
}

/**
 * Keeps a file, in place as a whole or not at all. Where nothing can be written, the next process does its work again: nothing else is
 * lost, so nobody is told.
 */
export async function keepFile(path: string, contents: string | Uint8Array): Promise<void> {
  // Others may write the same file: each writes one of its own, and renames it.
  const own = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(own, contents);
    await rename(own, path);
  } catch {
    await rm(own, { force: true }).catch(() => undefined);
  }
}
