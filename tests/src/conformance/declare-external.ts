import type { Runtime } from '@shoal/core';
import {
  runExternalFiles,
  unpermittedSkips,
  type ExternalFile,
  type ExternalOptions,
  type PermittedSkips,
} from '@shoal/conformance/external';
import permitted from '@shoal/conformance/permitted-skips.json' with { type: 'json' };
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** A folder of cases; null where it is not there. */
export type ExternalFolders = Readonly<Record<string, readonly ExternalFile[] | null>>;

/**
 * One test per file of external cases: every case passes or is a permitted skip.
 *
 * @param more skips that this backend adds to those permitted everywhere, by file
 */
export function declareExternal(
  folders: ExternalFolders,
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
    for (const [name, files] of Object.entries(folders)) {
      if (files === null) test.skip(`${name} skipped: SHOAL_PEER_CASES does not name a folder of cases`);
      for (const file of files ?? []) {
        test(file.path, async () => {
          const results = await runExternalFiles([file], runtime, options);
          const failed = results.filter(({ outcome }) => outcome === 'failed').map((result) => `${result.case}: ${result.detail}`);
          expect(failed).toEqual([]);
          expect(unpermittedSkips(results, merge(permitted, more))).toEqual([]);
          expect(results.length).toBe(file.cases.length);
        });
      }
    }
  });
}

function merge(everywhere: PermittedSkips, more: PermittedSkips): PermittedSkips {
  const files = new Set([...Object.keys(everywhere), ...Object.keys(more)]);
  return Object.fromEntries([...files].map((file) => [file, { ...everywhere[file], ...more[file] }]));
}
