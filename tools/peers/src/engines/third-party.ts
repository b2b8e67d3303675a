import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Where the peers are installed, apart from the product. */
export const thirdParty = fileURLToPath(new URL('../../third-party/', import.meta.url));
const manifest = `${thirdParty}package.json`;
const require = createRequire(manifest);

/** The path of a peer's file. */
export const resolvePeer = (specifier: string): string => require.resolve(specifier);

/** Imports a peer as what the caller knows of it: this code is type-checked where no peer is installed. Needs {@link peerFlags}. */
export const importPeer = async <T>(specifier: string): Promise<T> =>
  (await import(import.meta.resolve(specifier, pathToFileURL(manifest).href))) as T;

/** Node's flags for processes that import peers: resolving from another folder's `node_modules` needs it. */
export const peerFlags: readonly string[] = ['--experimental-import-meta-resolve'];

export const peerVersion = (name: string): string =>
  (JSON.parse(readFileSync(`${thirdParty}node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;
