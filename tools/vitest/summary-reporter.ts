import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/**
 * Ends the run with every skipped test by name (the reason is part of the name, or was given to `context.skip`) and one line of
 * counts, in which a file or a hook that fails is a failure too. Writes the same counts as JSON where it is told to.
 */
export class SummaryReporter implements Reporter {
  readonly #countsFile: string | undefined;

  constructor(countsFile: string | undefined) {
    this.#countsFile = countsFile;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    let passed = 0;
    let failed = unhandled.length;
    const skipped: string[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failed += 1;
        else
          skipped.push(
            `${module.relativeModuleId} > ${test.fullName}${result.state === 'skipped' && result.note ? ` (${result.note})` : ''}`,
          );
      }
    }
    if (skipped.length > 0) console.log(`\n${skipped.map((name) => `skipped  ${name}`).join('\n')}`);
    console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`);
    if (this.#countsFile === undefined) return;
    mkdirSync(dirname(this.#countsFile), { recursive: true });
    writeFileSync(this.#countsFile, `${JSON.stringify({ passed, failed, skipped: skipped.length, skips: skipped }, null, 2)}\n`);
  }
}
