import { tfjs } from '@shoal/backend-tfjs';
import { importEngine } from '@shoal/backend-tfjs/node';
import { createRuntime } from '@shoal/core';
import { convTfjs } from '@shoal/conv/tfjs';
import { mathTfjs } from '@shoal/math/tfjs';
import { poolTfjs } from '@shoal/pool/tfjs';
import { residualTfjs } from '@shoal/residual/tfjs';
import { describeExternal } from './describe-external.ts';

for (const engine of ['cpu', 'wasm'] as const) {
  describeExternal(`tfjs-${engine}`, async () =>
    createRuntime(tfjs(await importEngine(engine)), [convTfjs, mathTfjs, poolTfjs, residualTfjs]),
  );
}
