import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { describeCases } from '@shoal/conformance/vitest';
import { convTfjs } from '@shoal/conv/tfjs';
import { mathTfjs } from '@shoal/math/tfjs';
import { poolTfjs } from '@shoal/pool/tfjs';
import { residualCases } from '@shoal/residual/cases';
import { residualTfjs } from '@shoal/residual/tfjs';
import { makeOracle } from './oracle.ts';

for (const engine of ['cpu', 'wasm'] as const) {
  describeCases(residualCases, async () => createRuntime(tfjs(await importEngine(engine)), [mathTfjs, convTfjs, poolTfjs, residualTfjs]), {
    backend: `tfjs-${engine}`,
    makeOracle,
  });
}
