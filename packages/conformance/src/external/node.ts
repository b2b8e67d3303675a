// oxlint-disable no-restricted-imports -- the one entry of this package that is for Node
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ShoalError, type Runtime } from '@shoal/core';
import { parseFile, type ExternalFile } from './format.ts';
import { reportOf, runExternalFiles, type ConformReport, type ExternalOptions } from './run.ts';

/**
 * Reads every `.json` file of cases in a folder and its subfolders, in order of their names. A file is reported by its own
 * name and its folder's: `onnx/Conv.json`.
 */
export async function readCaseFolder(folder: string): Promise<readonly ExternalFile[]> {
  const root = resolve(folder);
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new ShoalError('FEED', { op: 'conformance', fact: `cannot read the folder ${root}`, next: 'Name a folder of case files', cause });
  });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name));
  if (paths.length === 0)
    throw new ShoalError('FEED', { op: 'conformance', fact: `no .json file in ${root}`, next: 'Name a folder of case files' });
  return Promise.all(
    paths.toSorted().map(async (path) => parseFile(`${basename(dirname(path))}/${basename(path)}`, await readFile(path, 'utf8'))),
  );
}

/** Runs every external case in a folder on one runtime. */
export async function runExternalCases(folder: string, runtime: Runtime, options: ExternalOptions = {}): Promise<ConformReport> {
  return reportOf(runtime.backend, await runExternalFiles(await readCaseFolder(folder), runtime, options));
}
