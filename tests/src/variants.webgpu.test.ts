import { tuningBackend } from '@shoal/backend-webgpu/testing';
import { conv2d } from '@shoal/conv';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime, gradients, input, interfaceOf, reduce, sizeOf, type Program, type TensorData, type Value } from '@shoal/core';
import { matmul } from '@shoal/math';
import { mathWebgpu } from '@shoal/math/webgpu';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { describe, expect, test } from 'vitest';
import { onWebgpu } from './webgpu.ts';

type Shapes = readonly (readonly number[])[];

/** A value and its gradients to all it is made from. */
function withGradients(build: (...inputs: readonly Value[]) => Value, ...shapes: Shapes): Program {
  const inputs = shapes.map((shape, i) => input(`x${i}`, shape));
  const y = build(...inputs);
  const slopes = gradients(reduce(y, { kind: 'sum' }), inputs);
  return { outputs: { y, ...Object.fromEntries(slopes.map((slope, i) => [`d${i}`, slope])) } };
}
const product = (rows: number, depth: number, columns: number): Program => ({
  outputs: { y: matmul(input('a', [rows, depth]), input('b', [depth, columns])) },
});

const smallTiles = ['16x16 by 4x4', '64x16 by 4x4', '32x32 by 4x4'];
const tiles = [...smallTiles, '32x64 by 4x8', '64x32 by 8x4', '64x64 by 4x4', '64x64 by 4x8', '64x64 by 8x8'];
const largeTiles = ['64x64 by 8x8', '64x128 by 8x8', '128x64 by 8x8', '128x128 by 8x8'];
const cells = ['1 cell', '2 cells', '4 cells'];
const threads = ['64 threads', '128 threads', '256 threads'];

/** Ragged on every side, so that each tile has borders, and with all variants that kernels offer at that size. */
const programs: readonly (readonly [name: string, program: Program, variants: readonly string[]])[] = [
  ['products in vectors', product(523, 36, 388), tiles],
  ['products in large tiles', product(1030, 8, 644), largeTiles],
  ['products in single numbers, split', product(37, 1900, 45), smallTiles],
  ['depthwise', withGradients((x, w) => conv2d(x, w, { padding: 1, groups: 12 }), [2, 9, 11, 12], [3, 3, 1, 12]), [...cells, ...threads]],
  ['depthwise with stride', withGradients((x, w) => conv2d(x, w, { stride: 2, groups: 8 }), [2, 9, 12, 8], [3, 2, 1, 8]), cells],
  ['max pooling', withGradients((x) => maxPool2d(x, { window: 3, stride: 2, padding: 1 }), [2, 9, 11, 65]), threads],
  ['average pooling', withGradients((x) => averagePool2d(x, { window: 3, stride: 2, padding: 1 }), [2, 9, 11, 12]), threads],
];

interface Ran {
  readonly kernels: readonly string[];
  readonly variants: ReadonlySet<string>;
  readonly outputs: Readonly<Record<string, TensorData>>;
}

/** Runs a program with the variant of that name for each of the kernels that has it. */
async function run(program: Program, variant: string, kernels: readonly string[]): Promise<Ran> {
  const kept = Object.fromEntries(kernels.map((kernel) => [kernel, variant]));
  const store = { read: () => Promise.resolve(kept), add: () => Promise.resolve() };
  // Without a budget, what is not kept already runs as estimated.
  const runtime = await createRuntime(tuningBackend({ budget: 0 }, { store }), [convWebgpu, mathWebgpu, poolWebgpu]);
  const executable = await runtime.compile(program);
  const feeds = Object.fromEntries([...interfaceOf(program).inputs].map(([name, { shape }]) => [name, waves(sizeOf(shape))]));
  const outputs = await executable.run(feeds);
  await runtime.dispose();
  const { tuned } = executable;
  return { kernels: tuned.map(({ kernel }) => kernel), variants: new Set(tuned.map(({ variant }) => variant)), outputs };
}

const waves = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898) * 1.37);
const bitsOf = (data: TensorData): Uint8Array => new Uint8Array(data.buffer as ArrayBuffer);

await onWebgpu(() =>
  describe('all variants of a kernel have the same bits', () => {
    test.each(programs)('%s', async (_, program, variants) => {
      const estimated = await run(program, '', []);
      for (const variant of variants.filter((name) => !estimated.variants.has(name))) {
        const ran = await run(program, variant, estimated.kernels);
        expect([...ran.variants]).toContain(variant);
        const differing = Object.keys(ran.outputs).filter(
          (name) => Buffer.compare(bitsOf(ran.outputs[name]!), bitsOf(estimated.outputs[name]!)) !== 0,
        );
        expect({ variant, differing }).toEqual({ variant, differing: [] });
      }
    });
  }),
);
