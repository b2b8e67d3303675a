import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Runtime } from '@shoal/core';
import { parseGolden, verifyGolden, type Golden, type GoldenCheck } from '@shoal/zoo/golden';
import { describe, expect, test } from 'vitest';

const folder = join(import.meta.dirname, '../../fixtures/golden');

/** Names of the golden files, without `.json`. */
export const goldenNames: readonly string[] = globSync('*.json', { cwd: folder })
  .map((file) => basename(file, '.json'))
  .toSorted();

/** The networks of Springenberg et al. */
export const cifarNames = goldenNames.filter((name) => /^(model|strided-cnn|convpool-cnn|all-cnn)-/.test(name));

export function readGolden(name: string): Golden {
  return parseGolden(readFileSync(join(folder, `${name}.json`), 'utf8'));
}

/** What did not match, as text. */
export function failuresOf(checks: readonly GoldenCheck[]): readonly string[] {
  return checks.filter(({ ok }) => !ok).map(({ name, error, tolerance }) => `${name}: ${error} where ${tolerance} is allowed`);
}

/** A test for each golden file, on a runtime of its own. */
export function describeGoldens(backend: string, names: readonly string[], open: () => Promise<Runtime>): void {
  describe(`golden networks on ${backend}`, () => {
    test.each(names)(
      '%s',
      async (name) => {
        const runtime = await open();
        const checks = await verifyGolden(readGolden(name), runtime, { float64: backend === 'reference' });
        await runtime.dispose();
        expect(failuresOf(checks)).toEqual([]);
        expect(checks.length).toBeGreaterThan(20);
      },
      600_000,
    );
  });
}
