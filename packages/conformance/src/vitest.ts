import type { Case, CaseTable, Runtime } from '@shoal/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checksOf, evaluate, type EvaluateOptions } from './evaluate.ts';

export interface DescribeOptions extends EvaluateOptions {
  /** How the tests name the backend. */
  readonly backend: string;
  /** Makes the runtime on `reference()` that other backends are compared with; left out, the runtime is its own oracle. */
  readonly makeOracle?: () => Promise<Runtime>;
}

/**
 * One vitest test per case and check, named `backend > op > case: check`. What the backend cannot run is skipped with the
 * reason; what a case says has no gradient is no test. Call it at the top level of a test file.
 */
export function describeCases(tables: readonly CaseTable[], makeRuntime: () => Promise<Runtime>, options: DescribeOptions): void {
  describe(options.backend, () => {
    let runtime: Runtime;
    let oracle: Runtime;
    beforeAll(async () => {
      runtime = await makeRuntime();
      oracle = options.makeOracle ? await options.makeOracle() : runtime;
    });
    afterAll(async () => {
      await runtime?.dispose();
      await oracle?.dispose();
    });
    for (const table of tables) {
      describe(table.name, () => {
        for (const one of table.cases) {
          for (const check of checksOf(one)) {
            if (check === 'gradient' && underived(one)) continue;
            test(`${one.name}: ${check}`, async ({ skip }) => {
              const result = await evaluate(table, one, check, runtime, oracle, options);
              if (result.skipped) skip(result.reason);
              if (result.cause !== undefined) throw result.cause;
              expect(result.ok, `${result.reason} (off by ${result.error}, allowed ${result.tolerance})`).toBe(true);
            });
          }
        }
      });
    }
  });
}

const underived = ({ gradient }: Case): boolean => typeof gradient === 'object' && 'none' in gradient;
