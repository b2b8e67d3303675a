import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { describeGoldens, goldenNames } from './goldens.ts';

const plugins = [convWasm, mathWasm, poolWasm, residualWasm];

describeGoldens('wasm', goldenNames, () => createRuntime(wasm({ threads: 2 }), plugins));

/** Direct convolution alone, which is held to a narrower tolerance. */
const strict = ['resnet-mini', 'resnet18.frozenbn', 'squeezenet1_1', 'fishnet-mini.frozenbn', 'convpool-cnn-c.pool-ceil'];
describeGoldens('wasm, strict', strict, () => createRuntime(wasm({ threads: 2, precision: 'strict' }), plugins));
