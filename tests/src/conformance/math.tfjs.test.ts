import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { describeCases } from '@shoal/conformance/vitest';
import { mathCases } from '@shoal/math/cases';
import { mathTfjs } from '@shoal/math/tfjs';
import { makeOracle } from './oracle.ts';

for (const engine of ['cpu', 'wasm'] as const) {
  describeCases(mathCases, async () => createRuntime(tfjs(await importEngine(engine)), [mathTfjs]), {
    backend: `tfjs-${engine}`,
    makeOracle,
  });
}
