import { createRuntime, wasm } from '@shoal/backend-wasm';
import { describeCases } from '@shoal/conformance/vitest';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';

for (const threads of [1, 3]) {
  describeCases(residualCases, () => createRuntime(wasm({ threads }), [mathWasm, convWasm, poolWasm, residualWasm]), {
    backend: `wasm, ${threads} threads`,
    makeOracle: () => createRuntime(reference(), [mathReference, convReference, poolReference, residualReference]),
  });
}
