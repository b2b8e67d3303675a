import { createRuntime, wasm } from '@shoal/backend-wasm';
import { describeCases } from '@shoal/conformance/vitest';
import { reference } from '@shoal/core/reference';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';

for (const threads of [1, 3]) {
  describeCases(mathCases, () => createRuntime(wasm({ threads }), [mathWasm]), {
    backend: `wasm, ${threads} threads`,
    makeOracle: () => createRuntime(reference(), [mathReference]),
  });
}
