import {
  createRuntime,
  expression as e,
  input,
  map,
  reduce,
  variable,
  type Backend,
  type Device,
  type Runtime,
  type ShoalError,
  type Value,
} from '@shoal/core';
import { describe, expect, test } from 'vitest';
import type { WebgpuDevice } from './device.ts';
import { emitCopy } from './emit.ts';
import type { WebgpuKernel } from './kernel.ts';
import { assemble, type Place } from './module.ts';
import { halfBits } from './storage.ts';
import { nullBackend } from './testing.ts';
import { webgpu } from './webgpu.ts';

const { Float16Array } = globalThis as unknown as {
  readonly Float16Array?: new (values: ArrayLike<number>) => ArrayLike<number> & { buffer: ArrayBuffer };
};
const platform = Float16Array ? describe : describe.skip;

platform('bits of half floats are those of the platform (skipped where it has none)', () => {
  const bitsOf = (value: number): number => new Uint16Array(new Float16Array!([value]).buffer)[0]!;
  test('every half float, and its neighbours and ties in float64', () => {
    const values = new Float16Array!([]);
    const all = new (values.constructor as new (buffer: ArrayBuffer) => ArrayLike<number>)(
      Uint16Array.from({ length: 0x7c00 }, (_, i) => i).buffer,
    );
    const wrong: number[] = [];
    for (let i = 0; i < all.length; i++) {
      const tie = (all[i]! + (all[i + 1] ?? 65536)) / 2;
      const near = (value: number): readonly number[] => [value, value * (1 + 2 ** -50), value * (1 - 2 ** -50)];
      wrong.push(...[...near(all[i]!), ...near(tie)].filter((value) => halfBits(value) !== bitsOf(value)));
    }
    expect(wrong).toEqual([]);
  });
  test.each([0, -0, -1.5, 1e-9, 65519.99, 65520, -1e300, Infinity, -Infinity])('%d', (value) => {
    expect(halfBits(value)).toBe(bitsOf(value));
  });
  test('NaN', () => {
    expect(halfBits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});

describe('shaders', () => {
  const [arena, other] = [{ label: 'arena' } as GPUBuffer, { label: 'other' } as GPUBuffer];
  const [x, y, w] = [input('x', [8]), input('y', [8]), input('w', [8])];
  const places = new Map<Value, Place>([
    [x, { buffer: arena, offset: 256, bytes: 16, half: true }],
    [y, { buffer: arena, offset: 0, bytes: 16, half: true }],
    [w, { buffer: other, offset: 0, bytes: 32 }],
  ]);
  const shader = (from: Value, to: Value, storageBuffers: number): string => {
    const { dispatches, accessors } = emitCopy(from, to);
    return assemble('copy', dispatches[0]!, accessors, (value) => places.get(value)!, { workgroupsPerDimension: 65535, storageBuffers })
      .source;
  };
  test('loads and stores convert', () => {
    const source = shader(w, y, 8);
    expect(source).toMatch(/^enable f16;\n/);
    expect(source).toContain('var<storage, read_write> t1: array<f16, 8>;');
    expect(source).toContain('return t0[i];');
    expect(source).toContain('t1[i] = f16(value);');
    expect(shader(x, y, 8)).toContain('return f32(t0[i]);');
  });
  test('tensors that share a binding share it as halves, since two threads may not write one word', () => {
    const source = shader(x, y, 1);
    expect(source).toContain('t0: array<f16, 136>;');
    expect(source).toContain('return f32(t0[128 + i]);');
    expect(source).toContain('t0[i] = f16(value);');
  });
});

const [opened, plain] = [await nullBackend({ storage: 'f16' }), await nullBackend()];
if (typeof opened === 'string' || typeof plain === 'string')
  test.skip(`plans of half storage skipped: ${[opened, plain].find((why) => typeof why === 'string')}`);
else {
  describe('the plan', () => {
    const bytesOf = async (build: (x: Value) => Value, updates: readonly (readonly [ReturnType<typeof variable>, Value])[] = []) => {
      const runtime: Runtime = await createRuntime(opened);
      const executable = await runtime.compile({ outputs: { y: build(input('x', [3, 64, 32])) }, updates });
      const { placements } = executable.memory;
      await runtime.dispose();
      return [...placements.values()].map(({ value, bytes }) => [value.shape.join('x'), bytes]);
    };
    /** Two steps: a matrix lies between them, and a vector comes out. */
    const twoSteps = (x: Value): Value => reduce(reduce(x, { kind: 'max', axes: [0] }), { kind: 'sum', axes: [1] });
    test('what lies between steps takes two bytes a number; inputs and outputs take four', async () => {
      expect(await bytesOf(twoSteps)).toEqual([
        ['3x64x32', 4 * 3 * 64 * 32],
        ['64x32', 2 * 64 * 32],
        ['64', 4 * 64],
      ]);
    });
    test('what the prelude leaves for the steps takes two bytes a number', async () => {
      const weights = variable('weights', [3, 64, 32]);
      const folded = reduce(weights, { kind: 'max', axes: [0] });
      const x = input('x', [64, 32]);
      const [y, z] = [map([x, folded], (a, b) => e.mul(a, b)), reduce(folded, { kind: 'sum', axes: [0] })];
      const program = { outputs: { y, z: map([z, reduce(x, { kind: 'sum', axes: [0] })], (a, b) => e.add(a, b)) } };
      const held = async (backend: Backend<WebgpuKernel>): Promise<number> => {
        let device: Device<WebgpuKernel> | undefined;
        const runtime = await createRuntime({ ...backend, open: async () => (device = await backend.open()) });
        await runtime.compile(program);
        const { pipelines: _, ...kinds } = (device as WebgpuDevice).usage;
        await runtime.dispose();
        return Object.values(kinds).reduce((sum, { bytes }) => sum + bytes, 0);
      };
      expect((await held(plain)) - (await held(opened))).toBe(2 * 64 * 32);
    });
    test('vectors, and all of a program that updates variables, stay float32', async () => {
      const ending = (x: Value): Value => reduce(twoSteps(x), { kind: 'max' });
      expect(await bytesOf(ending)).toContainEqual(['64', 4 * 64]);
      const w = variable('w', [1]);
      expect(await bytesOf(twoSteps, [[w, map([w], (a) => e.add(a, 1))]])).toContainEqual(['64x32', 4 * 64 * 32]);
    });
  });
}

test('an adapter without half floats is refused, by name', async () => {
  const info = { vendor: 'acme', description: 'Model 1' };
  const gpu = { requestAdapter: () => Promise.resolve({ features: new Set(), limits: {}, info }) } as unknown as GPU;
  const error: ShoalError = await createRuntime(webgpu({ gpu, storage: 'f16' })).then(
    () => expect.fail('it opened'),
    (cause: ShoalError) => cause,
  );
  expect(error.code).toBe('UNSUPPORTED');
  expect(error.message).toBe("backend-webgpu: storage 'f16' needs the feature shader-f16, which acme Model 1 lacks. Use storage 'f32'.");
});
test('an unknown storage is refused', () => {
  expect(() => webgpu({ storage: 'bf16' as 'f16' })).toThrow("backend-webgpu: unknown storage 'bf16'. Use 'f32' or 'f16'.");
});
