import { createRuntime, expression as e, input, map, reduce, variable, type CaseTable } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { evaluateTables } from '@shoal/conformance';
import { describeCases } from '@shoal/conformance/vitest';
import { maxPool } from '@shoal/pool';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { describe, expect, test } from 'vitest';
import { toy } from './backend.ts';
import { toyKernel } from './kernel.ts';
import { poolToy } from './pool.ts';

// What a contributor of a backend does: write kernels against the public exports, and hand the tables to conformance.

const makeRuntime = () => createRuntime(toy(), [poolToy]);
const makeOracle = () => createRuntime(reference(), [poolReference]);
const tables: readonly CaseTable[] = [...coreCases, ...poolCases].filter(({ name }) => ['core/map', 'pool/max'].includes(name));

describeCases(tables, makeRuntime, { backend: 'toy', makeOracle });

describe('the toy backend', () => {
  test('takes two ops through conformance, forward and backward', async () => {
    const results = await evaluateTables(tables, await makeRuntime(), await makeOracle());
    for (const name of ['core/map', 'pool/max']) {
      for (const check of ['forward', 'gradient']) {
        const passed = results.filter((result) => result.table === name && result.check === check && result.ok && !result.skipped);
        expect(passed.length, `${name} ${check}`).toBeGreaterThan(3);
      }
    }
    expect(
      results.filter(({ ok, skipped }) => !ok || skipped === 'unsupported').map((result) => `${result.case}: ${result.reason}`),
    ).toEqual([]);
  });

  test('is caught when a kernel is wrong', async () => {
    const shifted = toyKernel(maxPool, ({ inputs: [x], outputs, attributes: { padding, ...rest } }) => {
      const { top, bottom, left, right } = padding;
      const swapped = { ...rest, padding: { top: bottom, bottom: top, left: right, right: left } };
      poolToy.maxPool.run({ inputs: [x!], outputs, attributes: swapped as never });
    });
    const wrong = await createRuntime(toy(), [{ ...poolToy, maxPool: shifted }]);
    const results = await evaluateTables(tables, wrong, await makeOracle());
    expect(results.some(({ table, ok }) => table === 'pool/max' && !ok)).toBe(true);
  });

  test('says which ops it lacks before it runs anything', async () => {
    const runtime = await createRuntime(toy());
    const x = input('x', [1, 2, 2, 1]);
    const pooled = poolCases.find(({ name }) => name === 'pool/average')!.cases[0]!.build(input('image', [1, 4, 4, 1]));
    const outputs = { largest: reduce(x, { kind: 'max' }), pooled: Array.isArray(pooled) ? pooled[0] : pooled };
    expect(runtime.missing({ outputs })).toEqual([
      { op: 'core/reduce', reason: 'max is not written yet' },
      { op: 'pool/average', reason: 'no kernel was given' },
    ]);
    await expect(runtime.compile({ outputs })).rejects.toMatchObject({ code: 'KERNEL' });
  });

  test('trains: variables are read old, updated together, and read back', async () => {
    const runtime = await makeRuntime();
    const weight = variable('weight', [2], [1, 2]);
    const doubled = map([weight, input('x', [2])], (w, x) => e.mul(w, x));
    const executable = await runtime.compile({ outputs: { doubled }, updates: [[weight, map([weight], (w) => e.add(w, 1))]] });
    expect([...(await executable.run({ x: [3, 5] })).doubled!]).toEqual([3, 10]);
    expect([...(await executable.run({ x: [3, 5] })).doubled!]).toEqual([6, 15]);
    expect([...(await runtime.read(weight))]).toEqual([3, 4]);
    await runtime.dispose();
    await expect(executable.run({ x: [3, 5] })).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
