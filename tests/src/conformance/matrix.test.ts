import { createRuntime, fillOp, mapOp, map, expression as e, type CaseTable } from '@shoal/core';
import { reference, referenceKernel } from '@shoal/core/reference';
import { matrixMarkdown, measureSupport, supportMatrix } from '@shoal/conformance';
import { maxPool, maxPool2d } from '@shoal/pool';
import { expect, test } from 'vitest';
import { makeOracle } from './oracle.ts';

const tables: readonly CaseTable[] = [
  {
    name: 'test/square',
    op: mapOp,
    cases: [
      { name: 'small', inputs: [{ shape: [3] }], build: (x) => map([x], (a) => e.mul(a, a)), secondOrder: true },
      {
        name: 'NaN',
        inputs: [{ shape: [1], data: [NaN] }],
        build: (x) => map([x], (a) => e.mul(a, a)),
        expect: [[NaN]],
        needs: 'nan',
        gradient: { none: 'NaN has no slope' },
      },
    ],
  },
  {
    name: 'pool/max',
    op: maxPool,
    cases: [{ name: 'pairs', inputs: [{ shape: [1, 2, 2, 1] }], build: (x) => maxPool2d(x, { window: 2 }) }],
  },
  {
    name: 'test/step',
    op: { ...mapOp, vjp: { none: 'it is flat' } },
    cases: [{ name: 'flat', inputs: [{ shape: [2] }], build: (x) => map([x], (a) => e.floor(a)), gradient: { none: 'it is flat' } }],
  },
];

test('what is right, wrong, unsupported, without derivative and untested shows, with reasons', async () => {
  const oracle = await makeOracle();
  const bare = await createRuntime(reference());
  const { kernels } = reference();
  const wrongFill = referenceKernel(fillOp, ({ outputs: [y] }) => void y!.data.fill(2));
  const wrongMap = referenceKernel(mapOp, ({ inputs: [x], outputs: [y] }) => y!.data.set(x!.data.map((v) => v + 1)));
  const broken = await createRuntime({ ...reference(), kernels: { ...kernels, mapOp: wrongMap, fillOp: wrongFill } });
  const matrix = await measureSupport(
    tables,
    [
      { name: 'whole', runtime: oracle },
      { name: 'bare', runtime: bare, lacks: ['nan'] },
      { name: 'broken', runtime: broken },
    ],
    oracle,
  );

  const status = (op: string, backend: string): readonly string[] =>
    Object.values(matrix.rows.find((row) => row.op === op)!.support[backend]!).map((cell) => cell.status);
  expect(matrix).toMatchObject({ schema: 'shoal.support/1', backends: ['whole', 'bare', 'broken'] });
  expect(status('test/square', 'whole')).toEqual(['yes', 'yes', 'yes']);
  expect(status('pool/max', 'whole')).toEqual(['yes', 'yes', 'untested']);
  expect(status('pool/max', 'bare')).toEqual(['no', 'no', 'untested']);
  expect(status('test/square', 'broken')).toEqual(['wrong', 'wrong', 'wrong']);
  expect(status('test/step', 'whole')).toEqual(['yes', 'none', 'untested']);
  expect(matrix.rows[2]!.noGradient).toBe('it is flat');
  expect(matrix.rows[0]!.support['bare']!.forward).toMatchObject({
    status: 'yes',
    passed: 1,
    checks: 2,
    notes: ["needs 'nan', which reference does not promise"],
  });

  const lines = matrixMarkdown(matrix).split('\n');
  expect(lines).toContain('| op | whole | bare | broken |');
  const pooled = lines.find((line) => line.startsWith('| `pool/max`'))!;
  const [, first] = /^\| `pool\/max` \| ✓ ✓ · \| – – · <sup>(\d+), \d+<\/sup> \|/.exec(pooled)!;
  expect(lines).toContain(`${first}. unsupported: pool/max (no kernel was given)`);
});

test('a column that could not be measured is named with its reason', () => {
  const matrix = supportMatrix(tables, { none: [] }, [{ name: 'far', reason: 'it is not\nhere' }]);
  expect(matrix).toMatchObject({ backends: ['none'], notMeasured: [{ name: 'far', reason: 'it is not\nhere' }] });
  expect(matrixMarkdown(matrix)).toContain('\n\nfar was not measured: it is not here.\n\n| op | none |');
});
