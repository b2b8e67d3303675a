import { fileURLToPath } from 'node:url';
import { readCaseFolder } from '@shoal/conformance/external/node';
import {
  runExternalFiles,
  type ExternalCase,
  type ExternalFile,
  type ExternalOptions,
  type ExternalResult,
} from '@shoal/conformance/external';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeRounded } from './rounded.ts';

let files: readonly ExternalFile[];
beforeAll(async () => {
  files = await readCaseFolder(fileURLToPath(new URL('../../fixtures/torch', import.meta.url)));
});

const run = async (spoil?: (value: number) => number, options?: ExternalOptions): Promise<readonly ExternalResult[]> => {
  const runtime = await makeRounded(spoil);
  try {
    return await runExternalFiles(files, runtime, options);
  } finally {
    await runtime.dispose();
  }
};
const failed = (results: readonly ExternalResult[]): readonly string[] =>
  results.filter(({ outcome }) => outcome !== 'passed').map((result) => result.case);
const convolutions = (cases: readonly string[]): readonly string[] => cases.filter((name) => name.startsWith('torch/conv'));
/** False for the one transposed convolution of which the padding crops everything. */
const hasValues = ({ outputs, gradients }: ExternalCase): boolean =>
  [...outputs, ...gradients].some((tensor) => tensor?.data.some((value) => value !== 0));

describe('PyTorch cases in float32', () => {
  test('a result that is only rounded passes everywhere, convolutions at equality', async () => {
    expect(failed(await run())).toEqual([]);
  });

  test('one unit of rounding too much fails in every convolution and nowhere else', async () => {
    const nudge = (value: number): number => value * (1 + 2 ** -23);
    const convolved = files.filter(({ path }) => path.startsWith('torch/conv')).flatMap(({ cases }) => cases);
    const found = failed(await run(nudge));
    expect(found).toEqual(convolutions(found));
    expect(found.length).toBe(convolved.filter(hasValues).length);
    expect(failed(await run(nudge, { exactConvolutions: false }))).toEqual([]);
  });

  test('a millionth too much fails nearly everywhere', async () => {
    const found = failed(await run((value) => value * (1 + 1e-6)));
    expect(found.length).toBeGreaterThan(200);
  });
});
