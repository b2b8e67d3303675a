import { gradientFlow } from '@shoal/analyze';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { lastValueFrom } from 'rxjs';
import { pooledStem, small } from './network.ts';

const runtime = await createRuntime(wasm(), [convWasm, mathWasm, poolWasm, residualWasm]);
const last = await lastValueFrom(gradientFlow((seed) => small(pooledStem, seed), runtime, { batch: 4, seeds: 3 }));
if (last.kind === 'report') {
  const { activations, isolatedConvolutions, layers } = last.report;
  for (const { name, l2 } of activations)
    console.log(name.padEnd(8), `${l2.mean.toPrecision(3)} (${l2.min.toPrecision(3)} to ${l2.max.toPrecision(3)})`);
  for (const { name, strided } of isolatedConvolutions) console.log(`no identity beside ${name}${strided ? ', which is strided' : ''}`);
  for (const { name, reached, exact } of layers.filter(({ kind }) => kind === 'convolution' || kind === 'max-pool')) {
    if (reached.mean < 1)
      console.log(`${name} sends gradient to ${(100 * reached.mean).toFixed(1)} % of its inputs${exact ? ', exactly' : ''}`);
  }
}
await runtime.dispose();
