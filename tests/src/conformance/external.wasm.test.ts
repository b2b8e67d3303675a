import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { describeExternal } from './describe-external.ts';

describeExternal('wasm', () => createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm, residualWasm]));
