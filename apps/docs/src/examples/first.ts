import { createRuntime, wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convWasm } from '@shoal/conv/wasm';
import { gradients, input, reduce } from '@shoal/core';
import { maxPool2d } from '@shoal/pool';
import { poolWasm } from '@shoal/pool/wasm';

const image = input('image', [1, 4, 4, 1]); // NHWC: batch, height, width, channels
const filter = input('filter', [2, 2, 1, 1]); // height, width, in, out
const pooled = maxPool2d(image, { window: 2 });
const strided = conv2d(image, filter, { stride: 2 });
const [throughPool] = gradients(reduce(pooled, { kind: 'sum' }), [image]); // more graph: nothing has run yet
const [throughStride] = gradients(reduce(strided, { kind: 'sum' }), [image]);

const runtime = await createRuntime(wasm(), [poolWasm, convWasm]);
const program = await runtime.compile({ outputs: { pooled, strided, throughPool: throughPool!, throughStride: throughStride! } });
const found = await program.run({ image: [1, 3, 2, 0, 4, 2, 1, 1, 0, 1, 5, 2, 2, 0, 1, 3], filter: [1, 0, 0, -1] });
for (const [name, values] of Object.entries(found)) console.log(name, [...values].join(' '));
await runtime.dispose();
