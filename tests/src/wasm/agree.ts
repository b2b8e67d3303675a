import { createRuntime, wasm, type WasmKernel } from '@shoal/backend-wasm';
import { gradients, type Feeds, type KernelSet, type Program, type Runtime, type TensorData, type Value } from '@shoal/core';
import { reference, type ReferenceKernel } from '@shoal/core/reference';
import { afterAll, beforeAll, expect } from 'vitest';

export interface Kernels {
  readonly wasm: readonly KernelSet<WasmKernel>[];
  readonly reference: readonly KernelSet<ReferenceKernel>[];
}

/** Runs programs on the reference and on the CPU backend with one thread and with three, for a test file. */
export function agreement({
  wasm: kernels,
  reference: definitions,
}: Kernels): (program: Program, feeds: Feeds, tolerance?: number) => Promise<void> {
  let runtimes: readonly Runtime[] = [];
  beforeAll(async () => {
    const [one, three] = [wasm({ threads: 1 }), wasm({ threads: 3 })];
    runtimes = [await createRuntime(reference(), definitions), await createRuntime(one, kernels), await createRuntime(three, kernels)];
  });
  afterAll(async () => {
    for (const runtime of runtimes) await runtime.dispose();
  });
  /** Expects the same bits from any number of threads, and close to the reference: `tolerance` is relative to the largest number, at least 1. */
  return async (program, feeds, tolerance = 1e-6) => {
    const results: Readonly<Record<string, TensorData>>[] = [];
    for (const runtime of runtimes) {
      const executable = await runtime.compile(program);
      results.push(await executable.run(feeds));
      executable.dispose();
    }
    const [exact, one, three] = results;
    for (const [name, expected] of Object.entries(exact!)) {
      expect(bits(three![name]!), `${name}: threads`).toEqual(bits(one![name]!));
      const allowed =
        expected instanceof Float64Array
          ? tolerance * expected.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
          : 0;
      const off = [...expected].findIndex((x, i) => !(Object.is(x, one![name]![i]) || Math.abs(x - one![name]![i]!) <= allowed));
      expect(off, `${name}[${off}] is ${one![name]![off]}, expected ${expected[off]} within ${allowed}`).toBe(-1);
    }
  };
}

const bits = (data: TensorData): readonly number[] => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];

/** Numbers in [-1, 1) that float32 holds, the same for the same seed. */
export function noise(length: number, seed = 1): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return ((state >>> 8) / 2 ** 24) * 2 - 1;
  });
}

/** Outputs by name, and the gradients of a weighted sum of `y` to `inputs`. */
export function withGradients(y: Value, seed: Value, inputs: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  const found = gradients(y, Object.values(inputs), { seed });
  return { y, ...Object.fromEntries(Object.keys(inputs).map((name, i) => [`d${name}`, found[i]!])) };
}
