import { cuda } from '@shoal/backend-cuda';
import { convCuda } from '@shoal/conv/cuda';
import { createRuntime } from '@shoal/core';
import { mathCuda } from '@shoal/math/cuda';
import { poolCuda } from '@shoal/pool/cuda';
import { residualCuda } from '@shoal/residual/cuda';
import koffi from 'koffi';
import { spread, trainingStep } from '../training-step.ts';

/** Trains until it is killed: `node endless.ts DRIVER KERNELS`, on the stand-in for the driver and emulated kernels. */
const [driver, kernels] = process.argv.slice(2) as [string, string];
(koffi.load(driver).func('stub_ptx', 'void', ['str']) as (path: string) => void)(kernels);
const runtime = await createRuntime(cuda({ driver, kernels: 'shipped' }), [convCuda, mathCuda, poolCuda, residualCuda]);
const executable = await runtime.compile(trainingStep().program);
const feeds = { x: spread(3 * 9 * 8 * 2), labels: [4, 0, 2] };
for (let step = 0; ; step++) {
  await executable.run(feeds);
  if (step === 2) process.stdout.write('computing\n');
}
