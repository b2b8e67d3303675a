import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { describeCases } from '@shoal/conformance/vitest';
import { poolCases } from '@shoal/pool/cases';
import { poolTfjs } from '@shoal/pool/tfjs';
import { makeOracle } from './oracle.ts';

for (const engine of ['cpu', 'wasm'] as const) {
  describeCases(poolCases, async () => createRuntime(tfjs(await importEngine(engine)), [poolTfjs]), {
    backend: `tfjs-${engine}`,
    makeOracle,
  });
}
