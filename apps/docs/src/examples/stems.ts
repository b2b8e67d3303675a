import { cost } from '@shoal/analyze';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { gradients, input } from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { pooledStem, small, stridedStem, type Stem } from './network.ts';

const runtime = await createRuntime(wasm(), [convWasm, mathWasm, poolWasm, residualWasm]);

async function compare(name: string, stem: Stem): Promise<void> {
  const network = small(stem);
  const { params, macs, receptiveField } = cost(network);
  const { output, parameters, updates } = network.build(input('image', [8, 64, 64, 3]), { train: true });
  const loss = softmaxCrossEntropy(output, input('labels', [8], 'i32'));
  const step = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.05, momentum: 0.9 });
  const program = await runtime.compile({ outputs: { loss }, updates: [...updates, ...step.updates] });
  // Brighter images have higher labels: something to learn.
  const labels = Int32Array.from({ length: 8 }, (_, i) => i);
  const image = Float32Array.from({ length: 8 * 64 * 64 * 3 }, (_, i) => Math.sin(i * i) + labels[Math.floor(i / (64 * 64 * 3))]! / 4);
  const losses: number[] = [];
  const times: number[] = [];
  for (let i = 0; i < 30; i++) {
    const { outputs, nanoseconds } = await program.timed({ image, labels });
    losses.push(outputs['loss']![0]!);
    times.push(nanoseconds / 1e6);
  }
  const median = times.toSorted((a, b) => a - b)[times.length / 2]!;
  console.log(`${name}: ${params} parameters, ${macs} multiply-accumulates, field ${receptiveField.height.size}`);
  console.log(`${name}: loss ${losses[0]!.toFixed(2)} to ${losses.at(-1)!.toFixed(2)} in 30 steps of ${median.toFixed(1)} ms`);
  program.dispose();
}

await compare('pooled', pooledStem);
await compare('strided', stridedStem);
await runtime.dispose();
