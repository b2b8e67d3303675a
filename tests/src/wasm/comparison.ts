import { createRuntime, wasm, type WasmKernel } from '@shoal/backend-wasm';
import { gradients, type Feeds, type KernelSet, type Program, type Runtime, type TensorData, type Value } from '@shoal/core';
import { reference, type ReferenceKernel } from '@shoal/core/reference';
import { afterAll, beforeAll } from 'vitest';

export { noise } from './noise.ts';

export interface Kernels {
  readonly wasm: readonly KernelSet<WasmKernel>[];
  readonly reference: readonly KernelSet<ReferenceKernel>[];
}

type Compare = (program: Program, feeds: Feeds, tolerance?: number) => Promise<readonly string[]>;

/**
 * Runs programs on the reference and on the CPU backend with one thread, with three, and in strict precision, for a test file. The
 * comparison lists what is wrong: three threads must give the bits of one, and all must be close to the reference (`tolerance` is
 * relative to the largest number, at least 1; whole numbers must be equal).
 */
export function comparison({ wasm: kernels, reference: definitions }: Kernels): Compare {
  const backends = { one: wasm({ threads: 1 }), three: wasm({ threads: 3 }), strict: wasm({ threads: 1, precision: 'strict' }) };
  const runtimes = new Map<string, Runtime>();
  beforeAll(async () => {
    runtimes.set('reference', await createRuntime(reference(), definitions));
    for (const [name, backend] of Object.entries(backends)) runtimes.set(name, await createRuntime(backend, kernels));
  });
  afterAll(async () => {
    for (const runtime of runtimes.values()) await runtime.dispose();
  });
  const run = async (name: string, program: Program, feeds: Feeds): Promise<Readonly<Record<string, TensorData>>> => {
    const executable = await runtimes.get(name)!.compile(program);
    const results = await executable.run(feeds);
    executable.dispose();
    return results;
  };
  return async (program, feeds, tolerance = 1e-6) => {
    const [exact, one, three, strict] = [
      await run('reference', program, feeds),
      await run('one', program, feeds),
      await run('three', program, feeds),
      await run('strict', program, feeds),
    ];
    return Object.entries(exact).flatMap(([output, expected]) => {
      const [a, b] = [bits(one[output]!), bits(three[output]!)];
      const differing = a.findIndex((word, i) => word !== b[i]);
      return [
        ...(differing < 0 ? [] : [`${output}[${differing}] depends on the number of threads`]),
        ...distance(output, expected, one[output]!, tolerance),
        ...distance(`${output}, strict`, expected, strict[output]!, tolerance),
      ];
    });
  };
}

const bits = (data: TensorData): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);

function distance(name: string, expected: TensorData, found: TensorData, tolerance: number): readonly string[] {
  if (found.length !== expected.length) return [`${name} has ${found.length} elements, expected ${expected.length}`];
  let largest = 1;
  for (const x of expected) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  const allowed = expected instanceof Float64Array ? tolerance * largest : 0;
  const off = found.findIndex((x, i) => !Object.is(x, expected[i]) && !(Math.abs(x - expected[i]!) <= allowed));
  return off < 0 ? [] : [`${name}[${off}] is ${found[off]}, expected ${expected[off]} within ${allowed}`];
}

/** Outputs by name, and the gradients of a weighted sum of `y` to `inputs`. */
export function withGradients(y: Value, seed: Value, inputs: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  const found = gradients(y, Object.values(inputs), { seed });
  return { y, ...Object.fromEntries(Object.keys(inputs).map((name, i) => [`d${name}`, found[i]!])) };
}
