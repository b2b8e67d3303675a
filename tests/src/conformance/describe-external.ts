import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Runtime } from '@shoal/core';
import {
  parseFile,
  runExternalFiles,
  unpermittedSkips,
  type ExternalFile,
  type ExternalOptions,
  type PermittedSkips,
} from '@shoal/conformance/external';
import permitted from '@shoal/conformance/permitted-skips.json' with { type: 'json' };
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url));
const elsewhere = process.env['SHOAL_PEER_CASES'];
const folders = ['onnx', 'onnx-extra', 'tfjs'];

function filesIn(root: string, folder: string): readonly ExternalFile[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.json'));
  return names.toSorted().map((name) => parseFile(`${folder}/${name}`, readFileSync(join(root, folder, name), 'utf8')));
}

/** Every file that {@link describeExternal} reads. */
export const externalFiles = (): readonly ExternalFile[] => [
  ...filesIn(fixtures, 'torch'),
  ...(elsewhere ? folders.flatMap((folder) => filesIn(elsewhere, folder)) : []),
];

/**
 * One test per file of external cases, for the committed ones of PyTorch and, where SHOAL_PEER_CASES names a folder, for those
 * of ONNX and tfjs: every case passes or is a permitted skip.
 *
 * @param more skips that this backend adds to those permitted everywhere, by file
 */
export function describeExternal(
  backend: string,
  makeRuntime: () => Promise<Runtime>,
  more: PermittedSkips = {},
  options: ExternalOptions = {},
): void {
  describe(`external cases on ${backend}`, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await makeRuntime();
    });
    afterAll(() => runtime?.dispose());
    const check = (file: ExternalFile): void => {
      test(file.path, async () => {
        const results = await runExternalFiles([file], runtime, options);
        const failed = results.filter(({ outcome }) => outcome === 'failed').map((result) => `${result.case}: ${result.detail}`);
        expect(failed).toEqual([]);
        expect(unpermittedSkips(results, merge(permitted, more))).toEqual([]);
        expect(results.length).toBe(file.cases.length);
      });
    };
    filesIn(fixtures, 'torch').forEach(check);
    for (const folder of folders) {
      if (elsewhere) filesIn(elsewhere, folder).forEach(check);
      else test.skip(`${folder} skipped: SHOAL_PEER_CASES does not name a folder of cases`);
    }
  });
}

function merge(everywhere: PermittedSkips, more: PermittedSkips): PermittedSkips {
  const files = new Set([...Object.keys(everywhere), ...Object.keys(more)]);
  return Object.fromEntries([...files].map((file) => [file, { ...everywhere[file], ...more[file] }]));
}
