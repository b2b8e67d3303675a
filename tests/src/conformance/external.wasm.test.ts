import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { describeExternal } from './describe-external.ts';

// Convolutions are held to equality in both: the committed cases are too small for Winograd.
for (const precision of ['default', 'strict'] as const) {
  const name = precision === 'strict' ? 'wasm, strict' : 'wasm';
  describeExternal(name, () => createRuntime(wasm({ threads: 1, precision }), [convWasm, mathWasm, poolWasm, residualWasm]));
}
