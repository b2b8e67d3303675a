import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { describeGoldens, goldenNames } from './goldens.ts';

describeGoldens('wasm', goldenNames, () => createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm]));
