import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';

for (const engine of ['cpu', 'wasm'] as const) {
  describeCases(coreCases, async () => createRuntime(tfjs(await importEngine(engine))), {
    backend: `tfjs-${engine}`,
    makeOracle: () => createRuntime(reference()),
  });
}
