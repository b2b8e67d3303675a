import { createRuntime, wasm } from '@shoal/backend-wasm';
import { describeCases } from '@shoal/conformance/vitest';
import { reference } from '@shoal/core/reference';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';

for (const threads of [1, 3]) {
  describeCases(poolCases, () => createRuntime(wasm({ threads }), [poolWasm]), {
    backend: `wasm, ${threads} threads`,
    makeOracle: () => createRuntime(reference(), [poolReference]),
  });
}
