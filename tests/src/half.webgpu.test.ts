import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { halfBackend, nullBackend } from '@shoal/backend-webgpu/testing';
import { buildCase } from '@shoal/conformance';
import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { convWebgpu } from '@shoal/conv/webgpu';
import {
  createRuntime,
  expression as e,
  gradients,
  input,
  map,
  reduce,
  transpose,
  type Program,
  type Runtime,
  type Value,
} from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { matmul } from '@shoal/math';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { allCnnC, loadStateDict, resnet18, squeezenet1_1 } from '@shoal/zoo';
import { formulaStateDict, formulaTensor, goldenNetwork, parseGolden } from '@shoal/zoo/golden';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const kernels = [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu];
const tables = [...coreCases, ...convCases, ...mathCases, ...poolCases, ...residualCases];
/** Half the distance between half floats around 1. */
const unit = 2 ** -11;

const names = Array.from({ length: 40 }, (_, k) => `x${k}`);
/** A step of it reads a matrix of half floats and more float32 ones than a device binds. */
function crowded(): Program {
  const [a, b, ...others] = names.map((name) => input(name, [6, 6]));
  const product = matmul(a!, b!);
  const y = map([product, ...others], (...terms) => terms.reduce((sum, term) => e.add(sum, term)));
  return { outputs: { y, most: reduce(product, { kind: 'max' }) } };
}

const checked = await nullBackend({ storage: 'f16', precision: 'strict' });
const plain = await nullBackend({ precision: 'strict' });
if (typeof checked === 'string' || typeof plain === 'string')
  test.skip(`checks of half storage without a device skipped: ${[checked, plain].find((why) => typeof why === 'string')}`);
else {
  describe('half storage, checked and not run', () => {
    let [half, whole]: Runtime[] = [];
    beforeAll(async () => {
      half = await createRuntime(checked, kernels);
      whole = await createRuntime(plain, kernels);
    });
    afterAll(async () => {
      await half!.dispose();
      await whole!.dispose();
    });

    test('every shader of the tables, forward and backward, is valid', async () => {
      let compiled = 0;
      for (const { cases } of tables) {
        for (const one of cases) {
          const { outputs, differentiable } = buildCase(one);
          const derived = typeof one.gradient === 'object' && 'none' in one.gradient ? [] : differentiable;
          const slopes =
            derived.length > 0 && outputs[0]!.dtype === 'f32'
              ? gradients(outputs[0]!, derived, { seed: input('upstream', outputs[0]!.shape) })
              : [];
          const program = { outputs: Object.fromEntries([...outputs, ...slopes].map((value, i) => [`${i}`, value])) };
          if (half!.missing(program).length > 0) continue;
          (await half!.compile(program)).dispose();
          compiled++;
        }
      }
      expect(compiled).toBeGreaterThan(400);
    });

    test('where tensors share a binding as well', async () => {
      const executable = await half!.compile(crowded());
      expect(executable.schedule.steps.map(({ reads }) => reads.length)).toContain(39);
      executable.dispose();
    });

    // The image is float32 in both; Winograd's points, which are float32 as well, do not exist in strict mode.
    test.each([
      ['squeezenet1_1', squeezenet1_1(), 224, 0.56],
      ['resnet18', resnet18(), 224, 0.56],
      ['all-cnn-c', allCnnC(), 32, 0.51],
    ] as const)('the arena of %s is half', async (_, network, side, most) => {
      const program = { outputs: { logits: network.build(input('image', [8, side, side, 3])).output } };
      const [short, long] = [await half!.compile(program), await whole!.compile(program)];
      expect(short.memory.arenaBytes / long.memory.arenaBytes).toBeLessThan(most);
      short.dispose();
      long.dispose();
    });
  });
}

const opened = await halfBackend();
if (typeof opened === 'string') test.skip(`half storage skipped: ${opened}`);
else {
  // A tensor on the way costs one rounding; the deepest compositions of the tables have ten or so, which add up like the root of their number.
  describeCases(tables, () => createRuntime(opened, kernels), {
    backend: 'webgpu, half storage',
    makeOracle: () => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]),
    toleranceFactor: (4 * unit) / 8e-7,
    lacks: ['nan', 'range', 'order'],
  });

  test('half floats and float32 share a binding', async () => {
    const runtime = await createRuntime(opened, kernels);
    const executable = await runtime.compile(crowded());
    // Whole numbers that half floats hold exactly.
    const feeds = Object.fromEntries(names.map((name, k) => [name, Float32Array.from({ length: 36 }, (_, i) => ((i * 7 + k) % 5) - 2)]));
    const oracle = await (await createRuntime(reference(), [mathReference])).compile(crowded());
    const [found, expected] = [await executable.run(feeds), await oracle.run(feeds)];
    for (const name of ['y', 'most']) expect([...found[name]!]).toEqual([...expected[name]!]);
    await runtime.dispose();
  });

  describe('golden networks in half storage', () => {
    test.each([
      ['squeezenet1_1', 26],
      ['all-cnn-c', 9],
    ])('%s, %i layers deep', async (name, layers) => {
      const golden = parseGolden(readFileSync(join(import.meta.dirname, `../fixtures/golden/${name}.json`), 'utf8'));
      const runtime = await createRuntime(opened, kernels);
      const { input: facts, f64 } = golden.eval!;
      const image = input('image', facts.shape);
      const network = goldenNetwork(golden);
      const logits: Value = network.build(transpose(image, [0, 2, 3, 1])).output;
      await loadStateDict(runtime, network, formulaStateDict(network, golden.gain2));
      const found = (
        await (await runtime.compile({ outputs: { logits } })).run({ image: formulaTensor(facts.name, facts.shape, 'input', 1) })
      )['logits']!;
      await runtime.dispose();
      const rms = f64.l2 / Math.sqrt(found.length);
      const errors = f64.first16.map((value, i) => Math.abs(value - found[i]!) / rms);
      // Each layer rounds its result once, and these errors are independent.
      expect(Math.max(...errors)).toBeLessThan(unit * Math.sqrt(layers));
      expect(Math.max(...errors)).toBeGreaterThan(unit / 16);
    });
  });
}
