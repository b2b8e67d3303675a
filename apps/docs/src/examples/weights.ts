import { createRuntime, wasm } from '@shoal/backend-wasm';
import { input } from '@shoal/core';
import { loadStateDict, readStateDict, resnet18 } from '@shoal/zoo';

const network = resnet18({ classes: 10, seed: 1 });
network.build(input('image', [1, 224, 224, 3])); // now its variables have shapes
const runtime = await createRuntime(wasm());

// One parameter, by its name, in Shoal's layout.
const bias = network.scope.state['fc.bias']!;
await runtime.write(bias, new Float32Array(10).fill(0.5));
console.log((await runtime.read(bias))[0]);

// All of them, as PyTorch names and stores them: what a converter of checkpoints has to make, and can read back.
const dict = await readStateDict(runtime, network);
console.log(Object.keys(dict).length, dict['layer1.0.conv1.weight']!.shape.join('x'));
const zeros = { ...dict, 'fc.weight': { shape: [10, 512], data: new Float32Array(5120) } };
await loadStateDict(runtime, network, zeros);
console.log((await runtime.read(network.scope.state['fc.weight']!)).every((weight) => weight === 0));
await runtime.dispose();
