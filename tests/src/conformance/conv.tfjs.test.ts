import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convTfjs } from '@shoal/conv/tfjs';
import { makeOracle } from './oracle.ts';

for (const engine of ['cpu', 'wasm'] as const) {
  describeCases(convCases, async () => createRuntime(tfjs(await importEngine(engine)), [convTfjs]), {
    backend: `tfjs-${engine}`,
    makeOracle,
  });
}
