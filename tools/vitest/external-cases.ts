import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

/** For each folder its files, by path; null where the folder is not there. */
export type ExternalTexts = Readonly<Record<string, Readonly<Record<string, string>> | null>>;

const fixtures = join(import.meta.dirname, '../../tests/fixtures');

function textsIn(root: string, folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.json'));
  return Object.fromEntries(names.toSorted().map((name) => [`${folder}/${name}`, readFileSync(join(root, folder, name), 'utf8')]));
}

/** The cases of other projects: the committed ones of PyTorch and, where SHOAL_PEER_CASES names a folder, those of ONNX and tfjs. */
export function externalTexts(): ExternalTexts {
  const elsewhere = process.env['SHOAL_PEER_CASES'];
  const others = ['onnx', 'onnx-extra', 'tfjs'].map((folder) => [folder, elsewhere ? textsIn(elsewhere, folder) : null] as const);
  return { torch: textsIn(fixtures, 'torch'), ...Object.fromEntries(others) };
}

const id = 'virtual:external-cases';

/** Gives a page what {@link externalTexts} reads, as the default export of `virtual:external-cases`. */
export const externalCases = (): Plugin => ({
  name: 'external-cases',
  resolveId: (source) => (source === id ? `\0${id}` : undefined),
  load: (resolved) => (resolved === `\0${id}` ? `export default ${JSON.stringify(externalTexts())};` : undefined),
});
