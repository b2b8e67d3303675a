import { wasm } from '@shoal/backend-wasm';
import { createRuntime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';

for (const threads of [1, 3]) {
  describeCases(coreCases, () => createRuntime(wasm({ threads })), {
    backend: `wasm, ${threads} threads`,
    makeOracle: () => createRuntime(reference()),
  });
}
