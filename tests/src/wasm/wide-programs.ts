/**
 * Runs programs in this process and writes what became of them as JSON: a hash of the bits of each result. With `wide` as its argument in
 * wide mode; with `late` it opens a runtime first, and asks too late.
 */
import { createHash } from 'node:crypto';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { enableWide } from '@shoal/backend-wasm/wide';
import { conv2d } from '@shoal/conv';
import { convWasm } from '@shoal/conv/wasm';
import { apply, expression as e, gradients, input, map, ShoalError, sizeOf, variable, type Shape, type Value } from '@shoal/core';
import { matmul } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolWasm } from '@shoal/pool/wasm';
import { batchNormOp, upsampleNearest } from '@shoal/residual';
import { residualWasm } from '@shoal/residual/wasm';
import { noise } from './noise.ts';

const mode = process.argv[2];

/** Convolutions of every kind of tile, with what is fused into them, and their gradients. */
function convolution(x: Shape, weight: Shape, options: Parameters<typeof conv2d>[2]): Readonly<Record<string, Value>> {
  const [source, w] = [input('x', x), variable('w', weight, noise(sizeOf(weight), 2))];
  const bias = variable('b', [weight[3]!], noise(weight[3]!, 3));
  const y = conv2d(source, w, { ...options, bias });
  const residual = input('residual', y.shape);
  const fused = map([conv2d(source, w, options), bias, residual], (v, t, r) => e.max(e.add(e.mul(v, t), r), 0));
  const [dx, dw] = gradients(y, [source, w], { seed: input('seed', y.shape) });
  return { y, fused, dx: dx!, dw: dw! };
}

function product(m: number, k: number, n: number): Readonly<Record<string, Value>> {
  return { y: matmul(input('a', [m, k]), input('b', [k, n])) };
}

/** Pooling whose windows overlap, and batch norm, with their gradients. */
function memoryBound(channels: number): Readonly<Record<string, Value>> {
  const x = input('x', [2, 15, 18, channels]);
  const options = { window: 3, stride: 2, padding: 1 };
  const [max, average] = [maxPool2d(x, options), averagePool2d(x, options)];
  const [normalised] = apply(batchNormOp, [x, input('gamma', [channels]), input('beta', [channels])], { epsilon: 1e-5 });
  const gradient = (y: Value): Value => gradients(y, [x], { seed: map([y], (v) => e.mul(v, 0.5)) })[0]!;
  return { max, average, normalised: normalised!, dMax: gradient(max), dAverage: gradient(average), dNormalised: gradient(normalised!) };
}

/** Cells that the kernel that computes them repeats. */
function enlarged(channels: number): Readonly<Record<string, Value>> {
  const x = input('x', [2, 5, 7, 12]);
  return { y: upsampleNearest(conv2d(x, input('w', [1, 1, 12, channels]), {}), { scale: { height: 2, width: 3 } }) };
}

const programs: readonly Readonly<Record<string, Value>>[] = [
  ...[3, 8, 9, 16, 20, 33].map((channels) => convolution([2, 13, 14, 5], [3, 3, 5, channels], { padding: 1 })),
  ...[16, 27, 40].map((channels) => convolution([2, 13, 18, channels], [3, 3, channels, channels], { padding: 1 })),
  convolution([1, 15, 15, 24], [1, 1, 24, 35], {}),
  convolution([1, 19, 17, 3], [7, 7, 3, 20], { stride: 2, padding: 3 }),
  convolution([2, 9, 9, 24], [3, 3, 12, 48], { groups: 2, padding: 1 }),
  convolution([1, 12, 12, 19], [3, 3, 1, 19], { groups: 19, padding: 1 }),
  product(13, 70, 45),
  product(7, 2500, 20),
  ...[5, 48].map(memoryBound),
  ...[5, 24].map(enlarged),
];

if (mode === 'wide') enableWide();
const runtime = await createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm]);
let late: string | null = null;
if (mode === 'late') {
  try {
    enableWide();
  } catch (error) {
    late = error instanceof ShoalError ? error.code : String(error);
  }
}
const hashes: string[] = [];
for (const outputs of programs) {
  const executable = await runtime.compile({ outputs });
  const leaves = new Map(executable.inputs.map((name) => [name, sizesOf(outputs, name)]));
  const results = await executable.run(Object.fromEntries([...leaves].map(([name, size], i) => [name, noise(size, 5 + i)])));
  for (const name of Object.keys(outputs)) hashes.push(createHash('sha256').update(results[name]!).digest('hex'));
  executable.dispose();
}
process.stdout.write(JSON.stringify({ flags: runtime.info.flags, notes: runtime.info.notes, late, hashes }));
await runtime.dispose();

/** How many numbers an input of that name has. */
function sizesOf(outputs: Readonly<Record<string, Value>>, name: string): number {
  const pending = Object.values(outputs);
  for (const value of pending) {
    if (value.origin.kind === 'input' && value.origin.name === name) return sizeOf(value.shape);
    pending.push(...(value.node?.inputs ?? []));
  }
  throw new Error(`no input ${name}`);
}
