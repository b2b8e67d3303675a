import { createRuntime, wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convWasm } from '@shoal/conv/wasm';
import { gradients, input, reshape } from '@shoal/core';
import { kaimingNormal, matmul, parameter, relu, sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { maxPool2d } from '@shoal/pool';
import { poolWasm } from '@shoal/pool/wasm';

const images = input('images', [8, 28, 28, 1]);
const labels = input('labels', [8], 'i32');
const filters = parameter('filters', [3, 3, 1, 8], kaimingNormal({ seed: 1 }));
const weights = parameter('weights', [14 * 14 * 8, 10], kaimingNormal({ seed: 2 }));

const features = maxPool2d(relu(conv2d(images, filters, { padding: 'same' })), { window: 2 });
const loss = softmaxCrossEntropy(matmul(reshape(features, [8, -1]), weights), labels);
const parameters = [filters, weights];
const { updates } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.01 });

const runtime = await createRuntime(wasm(), [convWasm, mathWasm, poolWasm]);
const step = await runtime.compile({ outputs: { loss }, updates }); // forward, backward and the update in one program
const batch = {
  images: Float32Array.from({ length: 8 * 28 * 28 }, (_, i) => Math.sin(i * i) / 2),
  labels: Int32Array.from({ length: 8 }, (_, i) => i),
};
for (let i = 1; i <= 20; i++) {
  const { loss: value } = await step.run(batch);
  if (i % 5 === 0) console.log(`step ${i}: loss ${value![0]!.toFixed(3)}`);
}
await runtime.dispose();
