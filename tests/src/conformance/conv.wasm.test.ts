import { createRuntime, wasm } from '@shoal/backend-wasm';
import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { reference } from '@shoal/core/reference';

for (const precision of ['default', 'strict'] as const) {
  describeCases(convCases, () => createRuntime(wasm({ threads: 1, precision }), [convWasm]), {
    backend: precision === 'strict' ? 'wasm, strict' : 'wasm',
    makeOracle: () => createRuntime(reference(), [convReference]),
  });
}
