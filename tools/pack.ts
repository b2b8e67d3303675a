/** Packs the public packages as they would be published: `node tools/pack.ts FOLDER`. Build first. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, unknown>>;
}

export interface Tarball {
  readonly name: string;
  readonly path: string;
  /** What the package lets others import: `.`, `./wasm` ... */
  readonly entries: readonly string[];
}

const entriesOf = ({ exports = {} }: Manifest): readonly string[] => Object.keys(exports).filter((entry) => entry !== './package.json');

/** Packs every public package, or those named, into a folder. */
export function pack(folder: string, names?: readonly string[]): readonly Tarball[] {
  const manifests = globSync('{packages,apps}/*/package.json', { cwd: root })
    .toSorted()
    .map((path) => ({ ...(JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest), folder: dirname(path) }))
    .filter((manifest) => !manifest.private && (names?.includes(manifest.name) ?? true));
  const target = resolve(folder);
  mkdirSync(target, { recursive: true });
  const filters = manifests.map((manifest) => `--filter "./${manifest.folder.replaceAll('\\', '/')}"`).join(' ');
  const command = `npx -y pnpm@12 ${filters} pack --pack-destination "${target}"`;
  const { status, stdout, stderr } = spawnSync(command, { shell: true, cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}\n${stdout}${stderr}`);
  return manifests.map((manifest) => {
    const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
    return { name: manifest.name, path: join(target, file), entries: entriesOf(manifest) };
  });
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('pack: no folder was given. Usage: node tools/pack.ts FOLDER.');
  for (const { path } of pack(folder)) console.log(path);
}
